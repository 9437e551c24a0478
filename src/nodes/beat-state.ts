/**
 * What the last heartbeats tell: whether other processes can have taken this one for lost, and whether this one may take
 * them for lost. Every time is in ms of the caller's monotonic clock, except where Redis's is named.
 */
export class BeatState {
  private sentAtMs = -Infinity
  private enlistedAtMs = -Infinity
  /** On Redis's clock. */
  private aliveUntilMs = 0
  private steadySinceMs = Infinity
  private inDoubt = false
  private cutOffAtMs = -Infinity

  constructor (private readonly leaseMs: number, private readonly now: () => number) {}

  /** The heartbeat sent at `sentAtMs` has been answered. True: other processes may have claimed connections since the last one. */
  answered (sentAtMs: number, lapsed: boolean): boolean {
    // Also after a silence that Redis does not tell of: the beat that it told may have gone unheard.
    if (lapsed || sentAtMs - this.sentAtMs > this.leaseMs) this.inDoubt = true
    return this.inDoubt
  }

  /** What others had claimed before the heartbeat sent at `sentAtMs` is known: from then on they can claim nothing for a lease. */
  told (sentAtMs: number): void {
    this.inDoubt = false
    this.sentAtMs = sentAtMs
    this.cutOffAtMs = -Infinity
  }

  /** The same heartbeat stands in the index too. After a silence of more than `maxSilentMs` the steady time begins anew. */
  enlisted (sentAtMs: number, aliveUntilMs: number, maxSilentMs: number): void {
    if (sentAtMs - this.enlistedAtMs > maxSilentMs) this.steadySinceMs = sentAtMs
    this.enlistedAtMs = sentAtMs
    this.aliveUntilMs = aliveUntilMs
  }

  /** Redis did not answer, though this process ran. */
  cutOff (): void { this.cutOffAtMs = this.now() }

  isCurrent (): boolean { return !this.inDoubt && this.now() - this.sentAtMs <= this.leaseMs }

  /** It has beaten, and neither its last answer nor its last failure is recent enough: it stood still. */
  stoodStill (): boolean { return this.sentAtMs > -Infinity && this.now() - this.sentAtMs > this.leaseMs && !this.isCutOff() }

  /** Each beat that fails says so anew: a process that has stood still since then knows nothing. */
  isCutOff (): boolean { return this.now() - this.cutOffAtMs <= this.leaseMs }

  mayClaimUntilMs (): number | null {
    return this.now() - this.steadySinceMs >= this.leaseMs ? this.aliveUntilMs - this.leaseMs / 2 : null
  }
}
