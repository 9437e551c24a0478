/** One command that subscribed some channels on the present connection. */
export interface Join { confirmed: boolean }

/** Not sent on this connection. */
const UNSENT: Join = { confirmed: false }
/** Redis may hold the subscription or not: it must be sent again, and dropping it must be sent too. */
const DOUBTFUL: Join = { confirmed: false }

/** What is to be sent because of one tick's changes. */
export interface ChannelChanges {
  readonly leaving: readonly string[]
  readonly joining: readonly string[]
  /** Dropped and wanted again: nothing is to be sent, they are confirmed as they were. */
  readonly standing: readonly string[]
}

/** Knows for one connection which channels are wanted, and which command subscribed each of them. */
export class ChannelLedger {
  /** What is wanted, and what subscribed it. */
  private readonly wanted = new Map<string, Join>()
  /** What changed in this tick, and what had subscribed it before. */
  private readonly changed = new Map<string, Join>()

  want (channel: string): void {
    const before = this.touch(channel)
    if (!this.wanted.has(channel)) this.wanted.set(channel, before)
  }

  drop (channel: string): void {
    this.touch(channel)
    this.wanted.delete(channel)
  }

  /** Touches what must be sent again; false when there is nothing. */
  touchUnsettled (): boolean {
    for (const [channel, join] of this.wanted) if (join === UNSENT || join === DOUBTFUL) this.touch(channel)
    return this.changed.size > 0
  }

  /** What is to be sent because of the changes since the last call. */
  takeChanges (): ChannelChanges {
    const [leaving, joining, standing]: [string[], string[], string[]] = [[], [], []]
    for (const [channel, before] of this.changed) {
      const join = this.wanted.get(channel)
      if (join === UNSENT || join === DOUBTFUL) joining.push(channel)
      else if (join?.confirmed === true) standing.push(channel)
      else if (join === undefined && before !== UNSENT) leaving.push(channel)
    }
    this.changed.clear()
    return { leaving, joining, standing }
  }

  /** Without a connection there is nothing to compare with: the next one sends all that is wanted. */
  forgetChanges (): void {
    this.changed.clear()
  }

  /** Notes that these channels are subscribed by a command that is about to be sent. */
  join (channels: readonly string[]): Join {
    const join: Join = { confirmed: false }
    for (const channel of channels) this.wanted.set(channel, join)
    return join
  }

  /** Those of a command's channels that it speaks for: one that was dropped, or lost with the connection, has no join or a later one. */
  joinedBy (join: Join, channels: readonly string[]): string[] {
    return channels.filter((channel) => this.wanted.get(channel) === join)
  }

  /** Whether Redis holds these subscriptions is not known. */
  doubt (channels: readonly string[]): void {
    for (const channel of channels) this.wanted.set(channel, DOUBTFUL)
  }

  /** The same of all that it had confirmed. */
  doubtConfirmed (): void {
    for (const [channel, join] of this.wanted) if (join.confirmed) this.wanted.set(channel, DOUBTFUL)
  }

  /** The connection is gone; returns the channels that were sent on it. */
  loseConnection (): string[] {
    this.changed.clear()
    const lost = [...this.wanted].flatMap(([channel, join]) => join === UNSENT ? [] : [channel])
    for (const channel of lost) this.wanted.set(channel, UNSENT)
    return lost
  }

  private touch (channel: string): Join {
    const before = this.changed.get(channel) ?? this.wanted.get(channel) ?? UNSENT
    this.changed.set(channel, before)
    return before
  }
}
