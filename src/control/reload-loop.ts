/** After a failed reading the next one comes sooner. */
const RETRY_MS = 1000
/** Orders that a flood hides are still to be known within a second. */
const PACE_MS = 500

/** Reads all that is kept: soon when asked to, and anew every `everyMs` (less up to a fifth, so that processes take turns). */
export class ReloadLoop {
  private reading = false
  private readAgain = false
  private closed = false
  private timer: NodeJS.Timeout | undefined
  private pacing: NodeJS.Timeout | undefined

  /** `reload` tells whether it could read; it must not reject. */
  constructor (private readonly reload: () => Promise<boolean>, private readonly everyMs: number) {}

  /** Reads now, or once more after the reading under way, which may have begun too early to find what is new. */
  readSoon (): void {
    if (this.closed) return
    if (this.reading) { this.readAgain = true; return }
    clearTimeout(this.timer)
    this.reading = true
    this.readAgain = false
    void this.reload().then((done) => {
      this.reading = false
      if (this.closed) return
      if (this.readAgain) this.readSoon()
      else this.timer = setTimeout(() => { this.readSoon() }, done ? this.everyMs * (0.8 + Math.random() * 0.2) : RETRY_MS).unref()
    })
  }

  /** Reads after half a second, however often that is asked for until then. */
  readPaced (): void {
    if (this.closed || this.pacing !== undefined) return
    this.pacing = setTimeout(() => {
      this.pacing = undefined
      this.readSoon()
    }, PACE_MS).unref()
  }

  close (): void {
    this.closed = true
    clearTimeout(this.timer)
    clearTimeout(this.pacing)
  }
}
