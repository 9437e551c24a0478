/** Lines that go out as one write. */
export interface Chunk { text: string, lines: number }

/** Lines that wait to be encoded, in chunks of bounded length. */
export class LineBuffer {
  private readonly closed: Chunk[] = []
  private open: Chunk = { text: '', lines: 0 }
  private waiting = 0

  /** A chunk is closed once it has `chunkChars` characters. */
  constructor (private readonly chunkChars: number) {}

  /** A chunk has its full length. */
  get hasFullChunk (): boolean { return this.closed.length > 0 }

  /** Characters that wait. */
  get chars (): number { return this.waiting }

  /** True when this line closed a chunk. */
  add (line: string): boolean {
    this.waiting += line.length
    this.open.text += line
    this.open.lines++
    if (this.open.text.length < this.chunkChars) return false
    this.closed.push(this.open)
    this.open = { text: '', lines: 0 }
    return true
  }

  /** The oldest chunk, full or not; undefined when no line waits. */
  take (): Chunk | undefined {
    let next = this.closed.shift()
    if (next === undefined && this.open.lines > 0) {
      next = this.open
      this.open = { text: '', lines: 0 }
    }
    this.waiting -= next?.text.length ?? 0
    return next
  }
}
