/** Classic channels reach every node; shard channels live on the node that owns their slot. */
export type SubscribeVerb = 'subscribe' | 'ssubscribe'

/** Keeps a set of Redis channels subscribed over connections of its own, whatever happens to them. */
export interface Channels {
  /** Subscribes a channel; `onConfirmed` tells when Redis has confirmed. Wanting twice is wanting once. */
  want (channel: string): void
  drop (channel: string): void
  close (): void
}

export interface ChannelHandlers {
  /** A message, in the order of its channel. Must not throw. */
  onMessage (channel: string, payload: Buffer): void
  /** From now on every message of these channels arrives. */
  onConfirmed (channels: readonly string[]): void
  /** The user of Redis has no right to these channels. They are tried again from time to time; `error` names the command. */
  onRefused (channels: readonly string[], error: unknown): void
  /** The user of Redis has no right to a command that keeps the connection (`PING`, `UNSUBSCRIBE`): channels are heard all the same. */
  onDenied (error: unknown): void
  /**
   * Messages of these channels may have been missed since `sinceMs`, the last moment at which all were known to arrive (ms since
   * the epoch), and may be until they are confirmed again, which happens by itself.
   */
  onLost (channels: readonly string[], sinceMs: number): void
}
