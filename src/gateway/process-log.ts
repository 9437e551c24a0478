import type { Logger } from 'pino'
import { createLog, writeEvent } from '../observe/log/log.js'
import { createLogDestination, type LogDestination } from '../observe/log/log-destination.js'
import type { Config } from '../config/config.js'
import type { OnFault } from './report.js'

export interface ProcessLog {
  readonly node: string
  readonly log: Logger
  readonly destination: LogDestination
  readonly onFault: OnFault
}

/** Takes the log's lines, each with its newline: a stream, or a destination of pino's. It stays its owner's to close. */
export interface LogOutput { write (line: string): unknown }

export interface ProcessLogOptions {
  /** Of several processes one alone writes the file. */
  readonly writesFile: boolean
  /** Instead of standard output. */
  readonly output?: LogOutput | null
}

const STACK_LINES = 8

/** Opens the log of one process. */
export function openProcessLog ({ log: settings }: Config, node: string, { writesFile, output = null }: ProcessLogOptions): ProcessLog {
  const file = settings.file === null || !writesFile
    ? null
    : { path: settings.file, maxBytes: settings.fileMaxMb * 1_048_576, keep: settings.fileKeep }
  const ours = createLogDestination({ stdout: output === null, file })
  const destination = output === null ? ours : writeBoth(output, ours)
  const log = createLog({ level: settings.level, node, destination })
  return {
    node,
    log,
    destination,
    onFault (error, where) {
      // The stack tells where; a message of a dependency might quote what it was given.
      const { name, stack } = error instanceof Error ? error : new Error('not an error')
      const places = stack?.split('\n').filter(line => line.startsWith('    at ')).slice(0, STACK_LINES).join('\n')
      writeEvent(log, { event: 'fault', where, error: name, stack: places })
    }
  }
}

/** A destination never throws: a line that the output does not take is lost and counted. */
function writeBoth (output: LogOutput, ours: LogDestination): LogDestination {
  let lost = 0
  return {
    ...ours,
    write (line) {
      ours.write(line)
      try {
        output.write(line)
      } catch {
        lost++
      }
    },
    dropped: () => ours.dropped() + lost
  }
}
