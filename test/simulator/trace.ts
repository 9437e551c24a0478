const FNV_PRIME = 16_777_619
const FNV_BASIS = 2_166_136_261

/** What happened, line by line. Without lines only the hash is kept, without either nothing is. */
export class Trace {
  private hash = FNV_BASIS
  private readonly lines: string[] = []

  /** `kept`: newest lines that are kept; 0: none, and nothing is hashed. `prints`: each goes out at once. */
  constructor (private readonly nowMs: () => number, readonly kept: number, private readonly prints: boolean) {}

  get isOn (): boolean { return this.kept > 0 }

  note (text: string): void {
    if (!this.isOn) return
    const line = `${this.nowMs().toFixed(3)} ${text}`
    for (let at = 0; at < line.length; at++) this.hash = Math.imul(this.hash ^ line.charCodeAt(at), FNV_PRIME)
    if (this.prints) process.stdout.write(`${line}\n`)
    this.lines.push(line)
    if (this.lines.length > 2 * this.kept) this.lines.splice(0, this.lines.length - this.kept)
  }

  digest (): string { return (this.hash >>> 0).toString(16).padStart(8, '0') }

  newest (): readonly string[] { return this.lines.slice(-this.kept) }
}
