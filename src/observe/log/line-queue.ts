import { ChunkQueue, type WriteChunk } from './chunk-queue.js'
import { LineBuffer } from './line-buffer.js'
import { encodeLines } from './log-text.js'

/** Takes log lines at once and writes them in batches, in order, to every sink. */
export interface LineQueue {
  /** Queues one line, which ends in a newline. Never blocks, never throws; a line for which there is no room is counted and forgotten. */
  write (line: string): void
  /** Resolves when everything queued before the call was written or lost, or after `timeoutMs`. Never rejects. */
  flush (timeoutMs: number): Promise<void>
  /** Lines lost so far, to whichever of the sinks: no room, or a failed write. */
  dropped (): number
}

export interface LineQueueOptions {
  /** Each is written by itself: one that hangs or fails loses lines to itself alone. */
  readonly sinks: readonly WriteChunk[]
  /** Most characters queued and in flight together, for each sink. */
  readonly maxQueuedChars: number
  /** A chunk is closed once it is this long, so that a file is rotated near its limit. Default 64 Ki. */
  readonly chunkChars?: number
  /**
   * Least time between two chunks while lines come fast, in ms, unless a chunk is full or a flush waits: a
   * write, with its trip through libuv's pool, costs as much as ten lines. Default 5. Few lines are written at once, as a process
   * that is killed takes with it what it has not written.
   */
  readonly gatherMs?: number
}

/** Where fewer lines than this went together, the next ones wait for nothing. */
const MANY_LINES = 8

/** Makes a queue whose memory is bounded whatever the sinks do. Lines are encoded once for all of them. */
export function createLineQueue ({ sinks, maxQueuedChars, chunkChars = 65_536, gatherMs = 5 }: LineQueueOptions): LineQueue {
  const buffer = new LineBuffer(chunkChars)
  const queues = sinks.map((writeChunk) => new ChunkQueue(writeChunk, maxQueuedChars, chunkChars))
  let pumping: Promise<void> | null = null
  let flushes = 0
  let handedAtMs = -Infinity
  let handedLines = 0
  let endGathering = (): void => {}

  /** Whether some sink has room: what only another one has no room for is lost to that one, a chunk at a time. */
  function hasRoom (chars: number): boolean {
    for (const { queuedChars } of queues) if (queuedChars + buffer.chars + chars <= maxQueuedChars) return true
    return false
  }

  /** Waits until enough has come for a write, or long enough. */
  async function gather (): Promise<void> {
    const restMs = handedAtMs + gatherMs - performance.now()
    if (restMs <= 0 || handedLines < MANY_LINES || buffer.hasFullChunk || flushes > 0) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, restMs)
      endGathering = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  function handOver (): void {
    handedAtMs = performance.now()
    handedLines = 0
    for (let chunk = buffer.take(); chunk !== undefined; chunk = buffer.take()) {
      handedLines += chunk.lines
      const encoded = { bytes: encodeLines(chunk.text), chars: chunk.text.length, lines: chunk.lines }
      for (const queue of queues) queue.add(encoded)
    }
  }

  async function pump (): Promise<void> {
    // All lines of one turn of the event loop go out as one write.
    await new Promise<void>((resolve) => { setImmediate(resolve) })
    await gather()
    handOver()
    pumping = null
  }

  async function drain (): Promise<void> {
    flushes++
    endGathering()
    await pumping
    flushes--
    await Promise.all(queues.map(async ({ idle }) => { await idle }))
  }

  return {
    write (line) {
      if (!hasRoom(line.length)) {
        for (const queue of queues) queue.drop(1)
        return
      }
      if (buffer.add(line)) endGathering()
      pumping ??= pump()
    },
    async flush (timeoutMs) { await withinMs(drain(), timeoutMs) },
    dropped: () => queues.reduce((total, queue) => total + queue.dropped, 0)
  }
}

/** Resolves with `work`, or after `timeoutMs` without it. */
export async function withinMs (work: Promise<void>, timeoutMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<void>((resolve) => { timer = setTimeout(resolve, timeoutMs) })
  await Promise.race([work, timeout])
  clearTimeout(timer)
}
