import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readCpuUs } from '../measure/cpu.js'

const START_TIMEOUT_MS = 30_000

/** @type {Set<import('node:child_process').ChildProcess>} */
const running = new Set()
process.once('exit', () => { for (const child of running) child.kill('SIGKILL') })

/** @param {import('node:child_process').ChildProcess} child */
function track (child) {
  running.add(child)
  child.once('exit', () => { running.delete(child) })
  return {
    pid: child.pid,
    /** @param {NodeJS.Signals} signal */
    signal (signal) { child.kill(signal) },
    /** CPU time so far, in µs. */
    cpuUs: () => readCpuUs(child.pid),
    get ended () { return child.exitCode !== null || child.signalCode !== null },
    async stop () {
      if (child.exitCode !== null || child.signalCode !== null) return
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
    }
  }
}

/**
 * Starts a program whose standard output goes to /dev/null.
 * @param {string} program @param {string[]} args @param {Record<string, string>} env
 */
export function startProgram (program, args, env) {
  return track(spawn(program, args, { env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env }, stdio: ['ignore', 'ignore', 'inherit'] }))
}

/**
 * Starts a script of ours that sends `{ ready, ... }` over IPC when it is.
 * @param {string} file @param {Record<string, string>} [env] @param {string[]} [execArgv]
 */
export async function startScript (file, env = {}, execArgv = []) {
  const child = fork(file, [], { env: { PATH: process.env.PATH, ...env }, execArgv, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const tracked = track(child)
  const ready = await answerOf(child, START_TIMEOUT_MS)
  return {
    ...tracked,
    ready,
    /**
     * Sends a request and waits for its answer; one at a time.
     * @param {object} request @param {number} [timeoutMs]
     */
    async ask (request, timeoutMs = 120_000) {
      child.send(request)
      return await answerOf(child, timeoutMs)
    }
  }
}

/** @param {import('node:child_process').ChildProcess} child @param {number} timeoutMs */
function answerOf (child, timeoutMs) {
  return new Promise((resolve, reject) => {
    const finish = (settle, value) => {
      clearTimeout(timer)
      child.off('message', onMessage)
      child.off('exit', onExit)
      settle(value)
    }
    const onMessage = (message) => {
      if (message.failed !== undefined) finish(reject, new Error(message.failed))
      else finish(resolve, message)
    }
    const onExit = (code, signal) => { finish(reject, new Error(`${child.spawnargs.at(-1)} ended with ${code ?? signal}`)) }
    const timer = setTimeout(() => { finish(reject, new Error(`${child.spawnargs.at(-1)} did not answer in ${timeoutMs} ms`)) }, timeoutMs)
    child.on('message', onMessage)
    child.on('exit', onExit)
  })
}
