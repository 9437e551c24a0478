/** Hands one chunk of whole lines to the operating system. Resolves when it was taken, rejects when it is lost. */
export type WriteChunk = (chunk: string) => Promise<void>

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
}

interface Chunk { text: string, lines: number }

/** Makes a queue whose memory is bounded whatever the sink does. */
export function createLineQueue ({ writeChunk, maxQueuedChars, chunkChars = 65_536 }: LineQueueOptions): LineQueue {
  const closed: Chunk[] = []
  let open: Chunk = { text: '', lines: 0 }
  let queuedChars = 0
  let dropped = 0
  let pumping: Promise<void> | null = null

  function takeChunk (): Chunk | undefined {
    const next = closed.shift()
    if (next !== undefined || open.lines === 0) return next
    const last = open
    open = { text: '', lines: 0 }
    return last
  }

  async function pump (): Promise<void> {
    // What one turn of the event loop brings goes out as one write.
    await new Promise<void>((resolve) => { setImmediate(resolve) })
    for (let chunk = takeChunk(); chunk !== undefined; chunk = takeChunk()) {
      try {
        await writeChunk(chunk.text)
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
      open.text += line
      open.lines++
      if (open.text.length >= chunkChars) {
        closed.push(open)
        open = { text: '', lines: 0 }
      }
      pumping ??= pump()
    },
    async flush (timeoutMs) {
      if (pumping !== null) await withinMs(pumping, timeoutMs)
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
