import { once } from 'node:events'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import type { Lifetime } from './gateway.js'

/** One command as Redis heard it. */
export interface HeardCommand {
  /** `lua` for what a script asked, else the address of the connection. */
  readonly source: string
  readonly args: readonly string[]
}

const LINE = /^\+\d+\.\d+ \[\d+ (\S+)\] (.*)$/
const ARGUMENT = /"((?:[^"\\]|\\.)*)"/g

/**
 * Has Redis tell each command from now on, in order; resolves with what grows by them. The connection is a plain one: the
 * client library takes a command that is told together with the answer to MONITOR for an answer of its own.
 */
export async function startMonitor (t: Lifetime, port: number): Promise<readonly HeardCommand[]> {
  const socket = connect(port, '127.0.0.1')
  t.teardown(() => { socket.destroy() })
  const lines = createInterface({ input: socket })
  const heard: HeardCommand[] = []
  socket.write('MONITOR\r\n')
  const [answer] = await once(lines, 'line') as [string]
  if (answer !== '+OK') throw new Error(`MONITOR: ${answer}`)
  lines.on('line', (line) => {
    const [, source = '', args = ''] = LINE.exec(line) ?? []
    heard.push({ source, args: [...args.matchAll(ARGUMENT)].map(([, text = '']) => text) })
  })
  return heard
}
