import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'

/** Kernel ticks of /proc/<pid>/stat are 10 ms on every Linux that Node supports. */
const TICK_US = 10_000

/** Starts a server and waits for the line that tells its port. */
export async function startServer (command, args, env, readPort) {
  const child = spawn(command, args, { env: { PATH: process.env.PATH, ...env }, stdio: ['ignore', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout })
  const port = await new Promise((resolve, reject) => {
    child.once('exit', (code) => { reject(new Error(`${args.join(' ')} ended with ${code}`)) })
    lines.on('line', (line) => {
      const found = readPort(line)
      if (found !== null) resolve(found)
    })
  })
  return {
    port,
    /** CPU time of the process so far, user and system, in µs. */
    cpuUs () {
      const fields = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ')[1].split(' ')
      return (Number(fields[11]) + Number(fields[12])) * TICK_US
    },
    async stop () {
      child.kill('SIGKILL')
      await once(child, 'close')
    }
  }
}
