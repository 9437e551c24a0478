import type { Logger } from 'pino'
import { createLog } from '../observe/log/log.js'
import { createLogDestination, type LogDestination } from '../observe/log/log-destination.js'
import type { Config } from '../config/config.js'
import type { OnFault } from './report.js'

export interface ProcessLog {
  readonly node: string
  readonly log: Logger
  readonly destination: LogDestination
  readonly onFault: OnFault
}

const STACK_LINES = 8

/** Opens the log of one process. Of several processes one alone writes the file: `writesFile`. */
export function openProcessLog ({ log: settings }: Config, node: string, writesFile: boolean): ProcessLog {
  const file = settings.file === null || !writesFile
    ? null
    : { path: settings.file, maxBytes: settings.fileMaxMb * 1_048_576, keep: settings.fileKeep }
  const destination = createLogDestination({ stdout: true, file })
  const log = createLog({ level: settings.level, node, destination })
  return {
    node,
    log,
    destination,
    onFault (error, where) {
      // The stack tells where; a message of a dependency might quote what it was given.
      const { name, stack } = error instanceof Error ? error : new Error('not an error')
      const places = stack?.split('\n').filter(line => line.startsWith('    at ')).slice(0, STACK_LINES).join('\n')
      log.error({ event: 'fault', where, error: name, stack: places })
    }
  }
}
