import type { ChannelHandlers, Channels } from './channels.js'
import { Strays } from './strays.js'

/** What is addressed to a process, by way of its own channel. */
export interface Addressed {
  /**
   * A monotonic time, in ms: whatever was addressed to the process after it is heard by who wants its channel now, even if it came
   * before. Infinity while the process's own channel is not heard.
   */
  completeSinceMs (): number
  /** The process cannot note itself for who publishes there: a channel that is wanted is subscribed to as well. */
  subscribeItself (channel: string): void
}

export interface ProcessChannelsOptions {
  /** The channel of this process. A message on it is the name of a channel, a line feed, and what was published there. */
  readonly own: string
  /** Which channels it stands for. */
  readonly carries: (channel: string) => boolean
  readonly handlers: ChannelHandlers
  /** Opens the channels that are subscribed. */
  readonly open: (handlers: ChannelHandlers) => Channels
  /** Monotonic, in ms. */
  readonly now?: () => number
}

const LINE_FEED = 0x0a

/**
 * Channels of which many are heard by way of one: a SUBSCRIBE for each user who connects would be the dearest part of an upgrade.
 * Who publishes there also tells the processes that have noted themselves (history/lua/include/announce.lua).
 */
export function createProcessChannels (options: ProcessChannelsOptions): Channels & Addressed {
  return new ProcessChannels(options)
}

class ProcessChannels implements Channels, Addressed {
  private readonly inner: Channels
  private readonly carried = new Set<string>()
  /** Those of them that are subscribed to as well. */
  private readonly subscribed = new Set<string>()
  private readonly strays: Strays
  /** Infinity: it is not heard. */
  private heardSinceMs = Infinity
  private isWanted = false
  /** The process may not hear its own channel: each that it stands for is subscribed to. */
  private isDenied = false

  constructor (private readonly options: ProcessChannelsOptions) {
    const { own, handlers, now = () => performance.now() } = options
    this.strays = new Strays(now)
    this.inner = options.open({
      onMessage: (channel, payload) => {
        if (channel === own) this.pass(payload)
        else handlers.onMessage(channel, payload)
      },
      onConfirmed: (channels) => {
        if (channels.includes(own)) {
          this.heardSinceMs = Math.min(this.heardSinceMs, now())
          this.isDenied = false
        }
        handlers.onConfirmed(this.spread(channels))
      },
      onRefused: (channels, error) => {
        handlers.onRefused(channels.filter(channel => channel !== own), error)
        if (channels.includes(own)) this.isDenied = true
        if (this.isDenied) for (const channel of this.carried) this.subscribeItself(channel)
      },
      onDenied: handlers.onDenied,
      onLost: (channels, sinceMs) => {
        if (channels.includes(own)) this.heardSinceMs = Infinity
        handlers.onLost(this.spread(channels), sinceMs)
      }
    })
  }

  want (channel: string): void {
    const { own, carries, handlers } = this.options
    if (!carries(channel)) return this.inner.want(channel)
    this.carried.add(channel)
    // Once: all that this process is told of its users comes by it, and they come and go.
    if (!this.isWanted) this.inner.want(own)
    this.isWanted = true
    if (this.isDenied) this.subscribeItself(channel)
    if (this.heardSinceMs === Infinity) return
    handlers.onConfirmed([channel])
    for (const payload of this.strays.take(channel)) handlers.onMessage(channel, payload)
  }

  drop (channel: string): void {
    const isCarried = this.options.carries(channel)
    if (isCarried) this.carried.delete(channel)
    if (!isCarried || this.subscribed.delete(channel)) this.inner.drop(channel)
  }

  subscribeItself (channel: string): void {
    if (!this.carried.has(channel) || this.subscribed.has(channel)) return
    this.subscribed.add(channel)
    this.inner.want(channel)
  }

  completeSinceMs (): number { return Math.max(this.heardSinceMs, this.strays.completeSinceMs()) }

  close (): void { this.inner.close() }

  private pass (payload: Buffer): void {
    const end = payload.indexOf(LINE_FEED)
    if (end === -1) return
    const [channel, message] = [payload.toString('utf8', 0, end), payload.subarray(end + 1)]
    if (this.carried.has(channel)) this.options.handlers.onMessage(channel, message)
    // The word that lets a user in may come later than what is published to her.
    else this.strays.add(channel, message)
  }

  /** The same channels, with those that the own one stands for in its place. */
  private spread (channels: readonly string[]): readonly string[] {
    const { own } = this.options
    return channels.includes(own) ? [...channels.filter(channel => channel !== own), ...this.carried] : channels
  }
}
