import { createReadStream } from 'node:fs'
import type { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { readAuditLine, type AuditLine } from './audit-line.js'

/** What of the files was read. */
export interface ReadCounts {
  lines: number
  unreadable: number
}

/** Longer than any line of the log. */
const MAX_LINE_CHARACTERS = 65_536

/** The file's text; `-`: the standard input. One whose name ends in `.gz` is unpacked. */
export function openLog (name: string, input: Readable): Readable {
  if (name === '-') return input
  const file = createReadStream(name)
  // It may fail while another log is read: its own reader is told then.
  file.on('error', () => {})
  if (!name.endsWith('.gz')) return file
  const unpacked = createGunzip()
  file.on('error', (error) => { unpacked.destroy(error) })
  return file.pipe(unpacked)
}

/** The lines of a text, one after the other; null in the place of one that is too long, of which no more is held than its beginning. */
async function * splitLines (input: Readable): AsyncGenerator<string | null> {
  let rest = ''
  let isTooLong = false
  for await (const chunk of input.setEncoding('utf8') as AsyncIterable<string>) {
    const parts = (rest + chunk).split('\n')
    rest = parts.pop() ?? ''
    for (const part of parts) {
      yield isTooLong || part.length > MAX_LINE_CHARACTERS ? null : part
      isTooLong = false
    }
    if (rest.length <= MAX_LINE_CHARACTERS) continue
    rest = ''
    isTooLong = true
  }
  if (isTooLong) yield null
  else if (rest !== '') yield rest
}

/** A log that cannot be read to its end; `cause` says why. */
export class LogFault extends Error {
  override readonly name = 'LogFault'
}

/** A log to read: its name is for people. */
export interface NamedLog {
  readonly name: string
  readonly text: Readable
}

/** The audit lines of one log. */
async function * readLog ({ name, text: input }: NamedLog, counts: ReadCounts): AsyncGenerator<AuditLine> {
  try {
    for await (const text of splitLines(input)) {
      if (text === '') continue
      counts.lines++
      const line = text === null ? 'unreadable' : readAuditLine(text)
      if (line === 'unreadable') counts.unreadable++
      else if (line !== null) yield line
    }
  } catch (error) {
    throw new LogFault(name, { cause: error })
  }
}

interface Source {
  readonly lines: AsyncGenerator<AuditLine>
  next: AuditLine
}

/**
 * The audit lines of several logs in the order of their times, as those of several processes happened; of each log one line is held. Within
 * a log lines stay as they are. Rejects with a `LogFault` that names the one which can't be read.
 */
export async function * readLogs (inputs: readonly NamedLog[], counts: ReadCounts): AsyncGenerator<AuditLine> {
  const sources: Source[] = []
  for (const input of inputs) {
    const lines = readLog(input, counts)
    const first = await lines.next()
    if (first.done !== true) sources.push({ lines, next: first.value })
  }
  while (sources.length > 0) {
    const earliest = sources.reduce((a, b) => b.next.atMs < a.next.atMs ? b : a)
    yield earliest.next
    const { done, value } = await earliest.lines.next()
    if (done === true) sources.splice(sources.indexOf(earliest), 1)
    else earliest.next = value
  }
}
