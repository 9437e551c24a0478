import { createFileSink, type LogFile } from './file-sink.js'
import { createLineQueue, withinMs } from './line-queue.js'
import { createStdoutSink } from './stdout-sink.js'

export interface LogDestinationOptions {
  /** Write to standard output. */
  readonly stdout: boolean
  /** Also write here; null: no file. One process only may write a file. */
  readonly file: LogFile | null
  /** Most characters waiting for each of the two. Default 8 Mi. */
  readonly maxQueuedChars?: number
  /** Where faults of the file are told, since the log itself is what failed. Default: standard error. */
  readonly report?: (fault: string) => void
  /** ms since any fixed moment. Default `performance.now`. */
  readonly now?: () => number
}

/** What pino writes to. Asynchronous, bounded, never throws. */
export interface LogDestination {
  /** Takes one line that ends in a newline. */
  write (line: string): void
  /** Resolves when everything queued is written or lost, or after `timeoutMs` (default 2000). Never rejects. */
  flush (timeoutMs?: number): Promise<void>
  /** Lines lost so far, to whichever of the two. */
  dropped (): number
  /** Flushes and ends the file. Lines written afterwards may be lost. Bounded in time like `flush`. */
  close (timeoutMs?: number): Promise<void>
}

const DEFAULT_MAX_QUEUED_CHARS = 8 * 1024 * 1024
const DEFAULT_FLUSH_MS = 2000

/** Opens standard output and, where asked for, a rotated file for the log. Faults of either are survived and counted. */
export function createLogDestination (options: LogDestinationOptions): LogDestination {
  const { maxQueuedChars = DEFAULT_MAX_QUEUED_CHARS, report = reportOnStderr, now = () => performance.now() } = options
  const fileSink = options.file === null ? null : createFileSink({ file: options.file, report, now })
  const sinks = [options.stdout ? createStdoutSink() : null, fileSink?.writeChunk ?? null].filter((writeChunk) => writeChunk !== null)
  const queue = createLineQueue({ sinks, maxQueuedChars })

  return {
    write: queue.write,
    flush: async (timeoutMs = DEFAULT_FLUSH_MS) => { await queue.flush(timeoutMs) },
    dropped: queue.dropped,
    async close (timeoutMs = DEFAULT_FLUSH_MS) {
      await queue.flush(timeoutMs)
      if (fileSink !== null) await withinMs(fileSink.close(), timeoutMs)
    }
  }
}

function reportOnStderr (fault: string): void {
  // Nobody may be reading standard error any more; that must not end the process.
  process.stderr.once('error', () => {})
  process.stderr.write(`portcullis: ${fault}\n`)
}
