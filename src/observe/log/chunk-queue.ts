/** Hands one chunk of whole lines, in UTF-8, to the operating system. Resolves when it was taken, rejects when it is lost. */
export type WriteChunk = (chunk: Buffer) => Promise<void>

/** Lines that were encoded together. Every sink is handed the same bytes, so nobody may change them. */
export interface EncodedChunk {
  readonly bytes: Buffer
  readonly chars: number
  readonly lines: number
}

/** The chunks that wait for one sink: written in order, one write at a time, in bounded memory whatever the sink does. */
export class ChunkQueue {
  private waiting: EncodedChunk[] = []
  private writing: Promise<void> | null = null
  private queued = 0
  private lost = 0

  /** `togetherChars`: small chunks that waited for a write go out as one, up to about this length. */
  constructor (private readonly writeChunk: WriteChunk, private readonly maxQueuedChars: number, private readonly togetherChars: number) {}

  /** Characters queued and in flight. */
  get queuedChars (): number { return this.queued }

  /** Lines lost so far: no room, or a failed write. */
  get dropped (): number { return this.lost }

  /** Settles when all that was queued is written or lost; null: nothing is. */
  get idle (): Promise<void> | null { return this.writing }

  /** A chunk for which there is no room is counted and forgotten. */
  add (chunk: EncodedChunk): void {
    if (this.queued + chunk.chars > this.maxQueuedChars) return this.drop(chunk.lines)
    this.queued += chunk.chars
    this.waiting.push(chunk)
    this.writing ??= this.writeAll()
  }

  /** Lines were lost before they reached this queue. */
  drop (lines: number): void { this.lost += lines }

  private async writeAll (): Promise<void> {
    while (this.waiting.length > 0) {
      const chunk = this.take()
      try {
        await this.writeChunk(chunk.bytes)
      } catch {
        this.drop(chunk.lines)
      }
      this.queued -= chunk.chars
    }
    this.writing = null
  }

  private take (): EncodedChunk {
    let [count, chars] = [0, 0]
    for (const chunk of this.waiting) {
      if (count > 0 && chars + chunk.chars > this.togetherChars) break
      chars += chunk.chars
      count++
    }
    const taken = this.waiting.slice(0, count)
    this.waiting = this.waiting.slice(count)
    const [only] = taken
    if (only !== undefined && count === 1) return only
    return { bytes: Buffer.concat(taken.map(({ bytes }) => bytes)), chars, lines: taken.reduce((sum, { lines }) => sum + lines, 0) }
  }
}
