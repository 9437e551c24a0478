import { createIsoFormatter } from '../../clocks.js'
import { pino, type Logger } from 'pino'
import type { Level } from '../event-terms.js'
import { EVENTS, type AnyLine, type EventName } from '../events.js'

export interface LogOptions {
  readonly level: Level | 'debug' | 'trace' | 'fatal' | 'silent'
  /** The name of this process, on every line. */
  readonly node: string
  readonly destination: { write (line: string): void }
}

/** Makes the process's log: JSON lines with `level` as a word, an ISO `time` and `node`, nothing about the host. */
export function createLog ({ level, node, destination }: LogOptions): Logger {
  const iso = createIsoFormatter()
  return pino({
    level,
    base: { node },
    timestamp: () => `,"time":"${iso(Date.now())}"`,
    formatters: { level: (label) => ({ level: label }) }
  }, destination)
}

/** Writes one line of the catalogue at its level, if the log's level lets it. */
export type WriteLine = (line: AnyLine) => void

/** Writes one line of the catalogue by way of pino: for what happens seldom. */
export function writeEvent (log: Logger, line: AnyLine): void {
  log[EVENTS[line.event].level](line)
}

export interface LineWriterOptions extends Omit<LogOptions, 'level'> {
  /** Decides by its level which lines are written. */
  readonly log: Logger
}

/** Writes lines straight to the destination. */
export interface LineWriter {
  readonly write: WriteLine
  /** Writes one line of which `members` is all that is its own: JSON, from `"event"` to the closing brace. */
  writeMembers (event: EventName, members: string): void
}

/**
 * Makes a writer of the very lines that pino would write, at less than half its cost: pino prepares for errors,
 * serializers, children and cycles, and the two lines of every connection are flat data of our own.
 */
export function createLineWriter ({ log, node, destination }: LineWriterOptions): LineWriter {
  const iso = createIsoFormatter()
  const nodeField = `,"node":${JSON.stringify(node)},`

  function writeMembers (event: EventName, members: string): void {
    const { level } = EVENTS[event]
    if (log.isLevelEnabled(level)) destination.write(`{"level":"${level}","time":"${iso(Date.now())}"${nodeField}${members}\n`)
  }

  return {
    write (line) { if (log.isLevelEnabled(EVENTS[line.event].level)) writeMembers(line.event, JSON.stringify(line).slice(1)) },
    writeMembers
  }
}
