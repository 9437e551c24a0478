import { LineBuffer } from './line-buffer.js'
import { encodeLines } from './log-text.js'

/** Hands one chunk of whole lines, in UTF-8, to the operating system. Resolves when it was taken, rejects when it is lost. */
export type WriteChunk = (chunk: Buffer) => Promise<void>

/** Takes log lines at once and writes them in batches, in order, one write at a time. */
export interface LineQueue {
  /** Queues one line, which ends in a newline. Never blocks, never throws; a line for which there is no room is counted and forgotten. */
  write (line: string): void
  /** Resolves when everything queued before the call was written or lost, or after `timeoutMs`. Never rejects. */
  flush (timeoutMs: number): Promise<void>
  /** Lines lost so far: no room, or a failed write. */
  dropped (): number
}

export interface LineQueueOptions {
  readonly writeChunk: WriteChunk
  /** Most characters queued and in flight together. */
  readonly maxQueuedChars: number
  /** A chunk is closed once it is this long, so that a file is rotated near its limit. Default 64 Ki. */
  readonly chunkChars?: number
  /**
   * Least time between the beginnings of two writes while lines come fast, in ms, unless a chunk is full or a flush waits: a
   * write, with its trip through libuv's pool, costs as much as ten lines. Default 5. Few lines are written at once, as a process
   * that is killed takes with it what it has not written.
   */
  readonly gatherMs?: number
}

/** A write of fewer lines than this makes the next one wait for nothing. */
const MANY_LINES = 8

/** Makes a queue whose memory is bounded whatever the sink does. */
export function createLineQueue ({ writeChunk, maxQueuedChars, chunkChars = 65_536, gatherMs = 5 }: LineQueueOptions): LineQueue {
  const buffer = new LineBuffer(chunkChars)
  let queuedChars = 0
  let dropped = 0
  let pumping: Promise<void> | null = null
  let flushes = 0
  let writtenAtMs = -Infinity
  let writtenLines = 0
  let endGathering = (): void => {}

  /** Waits until enough has come for a write, or long enough. */
  async function gather (): Promise<void> {
    const restMs = writtenAtMs + gatherMs - performance.now()
    if (restMs <= 0 || writtenLines < MANY_LINES || buffer.hasFullChunk || flushes > 0) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, restMs)
      endGathering = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  async function pump (): Promise<void> {
    // All lines of one turn of the event loop go out as one write.
    await new Promise<void>((resolve) => { setImmediate(resolve) })
    while (queuedChars > 0) {
      await gather()
      const chunk = buffer.take()
      if (chunk === undefined) break
      writtenAtMs = performance.now()
      writtenLines = chunk.lines
      try {
        await writeChunk(encodeLines(chunk.text))
      } catch {
        dropped += chunk.lines
      }
      queuedChars -= chunk.text.length
    }
    pumping = null
  }

  return {
    write (line) {
      if (queuedChars + line.length > maxQueuedChars) {
        dropped++
        return
      }
      queuedChars += line.length
      if (buffer.add(line)) endGathering()
      pumping ??= pump()
    },
    async flush (timeoutMs) {
      if (pumping === null) return
      flushes++
      endGathering()
      await withinMs(pumping, timeoutMs)
      flushes--
    },
    dropped: () => dropped
  }
}

/** Resolves with `work`, or after `timeoutMs` without it. */
export async function withinMs (work: Promise<void>, timeoutMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<void>((resolve) => { timer = setTimeout(resolve, timeoutMs) })
  await Promise.race([work, timeout])
  clearTimeout(timer)
}
