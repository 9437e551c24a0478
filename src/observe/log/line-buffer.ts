/** Lines that go out as one write. */
export interface Chunk { text: string, lines: number }

/** Lines that wait to be written, in chunks of bounded length. */
export class LineBuffer {
  private readonly closed: Chunk[] = []
  private open: Chunk = { text: '', lines: 0 }

  /** A chunk is closed once it has `chunkChars` characters. */
  constructor (private readonly chunkChars: number) {}

  /** A chunk has its full length. */
  get hasFullChunk (): boolean { return this.closed.length > 0 }

  /** True when this line closed a chunk. */
  add (line: string): boolean {
    this.open.text += line
    this.open.lines++
    if (this.open.text.length < this.chunkChars) return false
    this.closed.push(this.open)
    this.open = { text: '', lines: 0 }
    return true
  }

  /** The oldest chunk, full or not; undefined when no line waits. */
  take (): Chunk | undefined {
    const next = this.closed.shift()
    if (next !== undefined || this.open.lines === 0) return next
    const last = this.open
    this.open = { text: '', lines: 0 }
    return last
  }
}
