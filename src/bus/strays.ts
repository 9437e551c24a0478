interface Stray {
  readonly channel: string
  readonly payload: Buffer
  readonly cameAtMs: number
}

/** As long as an upgrade may take, unless its deadline is set higher, in ms. */
const KEPT_MS = 5000
const MAX_STRAYS = 1000
const MAX_STRAY_BYTES = 1_048_576

/** Messages of channels that nobody wanted when they came, for who wants one within 5 s. */
export class Strays {
  /** When one had to go for want of room last. */
  private droppedAtMs = -Infinity
  /** The oldest first. */
  private strays: Stray[] = []
  private bytes = 0
  private readonly counts = new Map<string, number>()

  /** `now`: monotonic, in ms. */
  constructor (private readonly now: () => number) {}

  /** Whatever came after this is still here, unless it was taken. */
  completeSinceMs (): number { return Math.max(this.droppedAtMs, this.now() - KEPT_MS) }

  add (channel: string, payload: Buffer): void {
    const nowMs = this.now()
    // A copy: the payload is a part of what was read from the socket, which it would keep.
    this.strays.push({ channel, payload: Buffer.from(payload), cameAtMs: nowMs })
    this.bytes += payload.length
    this.counts.set(channel, (this.counts.get(channel) ?? 0) + 1)
    let gone = 0
    for (const stray of this.strays) {
      const isOld = nowMs - stray.cameAtMs > KEPT_MS
      if (!isOld && this.strays.length - gone <= MAX_STRAYS && this.bytes <= MAX_STRAY_BYTES) break
      if (!isOld) this.droppedAtMs = nowMs
      this.forget(stray)
      gone++
    }
    this.strays.splice(0, gone)
  }

  /** Those of a channel, in the order in which they came. */
  take (channel: string): Buffer[] {
    if (!this.counts.has(channel)) return []
    const taken = this.strays.filter(stray => stray.channel === channel)
    this.strays = this.strays.filter(stray => stray.channel !== channel)
    for (const stray of taken) this.forget(stray)
    return taken.map(({ payload }) => payload)
  }

  private forget ({ channel, payload }: Stray): void {
    this.bytes -= payload.length
    const others = (this.counts.get(channel) ?? 0) - 1
    if (others > 0) this.counts.set(channel, others)
    else this.counts.delete(channel)
  }
}
