import { setTimeout } from 'node:timers/promises'
import type { ReadStream, WriteStream } from 'node:tty'
import { baseOf } from '../../join-url.js'
import type { Reading } from './reading.js'
import { renderFrame, type Screen } from './render-frame.js'
import { takeReading } from './take-reading.js'

export interface TopOptions {
  /** The admin port. */
  readonly url: URL
  /** Time between two readings. */
  readonly intervalMs: number
}

/** The terminal: both may be something else, such as a file. */
export interface Terminal {
  readonly stdin: ReadStream
  readonly stdout: WriteStream
  on (signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP', listener: () => void): unknown
  off (signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP', listener: () => void): unknown
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
const CTRL_C = '\u0003'
/** The second screen of the terminal, without a cursor; and back. */
const ENTER = '\u001b[?1049h\u001b[?25l'
const LEAVE = '\u001b[?25h\u001b[?1049l'
const HOME = '\u001b[H'
const CLEAR_LINE = '\u001b[K'
const CLEAR_BELOW = '\u001b[J'
const monotonic = (): number => performance.now()

const screenOf = ({ columns, rows }: Partial<WriteStream>): Screen => ({ columns: columns ?? 80, rows: rows ?? 24 })

/** Resolves after `ms`, or at once when the signal aborts. */
async function pause (ms: number, signal: AbortSignal): Promise<void> {
  await setTimeout(ms, undefined, { signal }).catch(() => {})
}

/** Prints one frame from two readings, so that there are rates. Resolves with the exit code: 1 when the port cannot be read. */
export async function printFrame ({ url, intervalMs }: TopOptions, stdout: NodeJS.WritableStream): Promise<number> {
  const first = await takeReading(url, monotonic)
  if (first.ok) await setTimeout(intervalMs)
  const second = first.ok ? await takeReading(url, monotonic) : first
  const [reading, failure] = second.ok ? [second.reading, null] : [null, second.reason]
  const previous = first.ok ? first.reading : null
  stdout.write(`${renderFrame(baseOf(url), reading, previous, screenOf(stdout as Partial<WriteStream>), failure).join('\n')}\n`)
  return failure === null ? 0 : 1
}

async function redraw ({ url, intervalMs }: TopOptions, stdout: WriteStream, ended: AbortSignal): Promise<void> {
  let reading: Reading | null = null
  let previous: Reading | null = null
  let failure: string | null = null
  const draw = (): void => {
    const lines = renderFrame(baseOf(url), reading, previous, screenOf(stdout), failure)
    stdout.write(HOME + lines.map(line => line + CLEAR_LINE).join('\r\n') + CLEAR_BELOW)
  }
  stdout.on('resize', draw)
  draw()
  while (!ended.aborted) {
    const taken = await takeReading(url, monotonic, ended)
    if (ended.aborted) break
    // The numbers of before stay on the screen while the port is away, and what comes after is compared with them.
    if (taken.ok) [previous, reading] = [reading, taken.reading]
    failure = taken.ok ? null : taken.reason
    draw()
    await pause(intervalMs, ended)
  }
  stdout.off('resize', draw)
}

/** Redraws the terminal until `q`, Ctrl-C or a signal. Resolves with the exit code; the terminal is as it was before. */
export async function runTop (options: TopOptions, terminal: Terminal): Promise<number> {
  const { stdin, stdout } = terminal
  if (!stdin.isTTY || !stdout.isTTY) return await printFrame(options, stdout)
  const controller = new AbortController()
  const end = (): void => { controller.abort() }
  const onKey = (key: Buffer): void => { if (/^[qQ]$/.test(key.toString()) || key.toString() === CTRL_C) end() }
  stdin.setRawMode(true)
  stdin.on('data', onKey)
  stdin.on('end', end)
  for (const signal of SIGNALS) terminal.on(signal, end)
  stdout.write(ENTER)
  try {
    await redraw(options, stdout, controller.signal)
  } finally {
    stdout.write(LEAVE)
    for (const signal of SIGNALS) terminal.off(signal, end)
    stdin.off('data', onKey)
    stdin.off('end', end)
    stdin.setRawMode(false)
    stdin.pause()
  }
  return 0
}
