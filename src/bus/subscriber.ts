import { ReplyError, type Redis } from '#ioredis'
import { classifyFailure } from '../redis/failure.js'
import { ChannelLedger } from './channel-ledger.js'
import type { ChannelHandlers, Channels, SubscribeVerb } from './channels.js'
import { SharedServer } from './shared-server.js'
import { splitIntoCommands } from './subscribe-commands.js'
import { revive } from '../redis/revive.js'
import { SYSTEM_TIMERS, type Timers } from '../timers.js'

const RETRY_MS = 200
const REJOIN_MS = 1000
/** What is denied is tried again after 1 s, and after twice as long each time: an operator may mend the rights. */
const FIRST_DENIED_RETRY_MS = 1000
const LAST_DENIED_RETRY_MS = 30_000
/** A connection that dies without a word is noticed after one more time-out of a command: events of that time are lost. */
const HEARTBEAT_MS = 10_000

export interface SubscriberOptions {
  /** A connection for this subscriber alone, made with `SUBSCRIBER_OPTIONS`; it is closed with the subscriber. */
  readonly redis: Redis
  readonly verbs: readonly SubscribeVerb[]
  readonly handlers: ChannelHandlers
  /** The connection for commands to the same server; null: none is known at this moment. */
  readonly commands: () => Redis | null
  /** This node is gone or no longer owns all of its channels: the topology should be read again. */
  readonly onMisplaced: () => void
  /** How often the connection is asked whether it is there, in ms. */
  readonly heartbeatMs?: number
  readonly timers?: Timers
  /** In ms since the epoch. */
  readonly now?: () => number
}

/**
 * Keeps channels subscribed over one connection. What is wanted is compared with what was sent at the end of each
 * tick; as Redis works through one connection in order, the last word of a channel is always the one that counts.
 */
export class Subscriber implements Channels {
  private readonly ledger = new ChannelLedger()
  /** Counts connections: what was sent on an earlier one says nothing of the present one. */
  private connection = 0
  /** The last one that was given up. */
  private leftConnection = -1
  /**
   * When the last command was sent that was answered, in ms since the epoch: what was published before it has arrived. Not when
   * something last came: a process that stood still finds messages waiting, long after the connection has died.
   */
  private goodAtMs: number
  private readonly server: SharedServer
  private readonly stopReviving: () => void
  private readonly timers: Timers
  private readonly now: () => number
  private isFlushing = false
  private isClosed = false
  /** Each calls off what is due later; null: nothing is. */
  private retrying: (() => void) | null = null
  private rejoining: (() => void) | null = null
  private retryingDenied: (() => void) | null = null
  private deniedRetryMs = FIRST_DENIED_RETRY_MS
  private stopBeating = (): void => {}

  constructor (private readonly options: SubscriberOptions) {
    const { redis, handlers, heartbeatMs = HEARTBEAT_MS, timers = SYSTEM_TIMERS, now = Date.now } = options
    this.timers = timers
    this.now = now
    this.goodAtMs = now()
    this.server = new SharedServer(redis, options.commands)
    const onMessage = (channel: Buffer, payload: Buffer): void => { handlers.onMessage(channel.toString(), payload) }
    redis.on('ready', () => {
      void this.server.arrive()
      this.sendUnsettled()
    })
    redis.on('close', () => { this.loseConnection() })
    redis.on('moved', () => { this.rejoin() })
    redis.on('error', () => { /* the connection for commands reports outages; this one only comes back */ })
    redis.on('messageBuffer', onMessage)
    redis.on('smessageBuffer', onMessage)
    // A peer that vanished without a word leaves a connection that is silent for ever.
    this.stopReviving = revive(redis)
    this.beatIn(heartbeatMs)
  }

  want (channel: string): void {
    this.ledger.want(channel)
    this.flushLater()
    const { redis } = this.options
    // A failed attempt is followed by the next one: the connection's own retry strategy.
    if (redis.status === 'wait') redis.connect().catch(() => {})
  }

  drop (channel: string): void {
    this.ledger.drop(channel)
    this.flushLater()
  }

  /** The commands have a new connection. Unless it is known to lead to the same server, this one is made anew too. */
  followCommands (): void {
    const sentOn = this.connection
    void this.server.holds().then((holds) => { if (!holds) this.reconnect(sentOn) })
  }

  close (): void {
    const { redis } = this.options
    this.stopReviving()
    this.isClosed = true
    this.stopBeating()
    this.retrying?.()
    this.rejoining?.()
    this.retryingDenied?.()
    for (const name of ['ready', 'close', 'moved', 'messageBuffer', 'smessageBuffer']) redis.removeAllListeners(name)
    redis.disconnect()
  }

  private beatIn (ms: number): void {
    this.stopBeating = this.timers.after(ms, () => {
      this.beatIn(ms)
      if (this.options.redis.status === 'ready') this.beat()
    })
  }

  private beat (): void {
    const [sentOn, sentAtMs] = [this.connection, this.now()]
    this.options.redis.ping().then(() => { this.noteAnswered(sentOn, sentAtMs) }, (error: unknown) => {
      // An answer, be it an error, shows that the connection lives.
      if (!(error instanceof ReplyError)) return this.reconnect(sentOn)
      this.noteAnswered(sentOn, sentAtMs)
      this.tellDenied(error)
    })
  }

  private noteAnswered (sentOn: number, sentAtMs: number): void {
    if (sentOn === this.connection) this.goodAtMs = Math.max(this.goodAtMs, sentAtMs)
  }

  private flushLater (): void {
    if (this.isFlushing) return
    this.isFlushing = true
    this.timers.soon(() => { this.flush() })
  }

  private flush (): void {
    const { redis, verbs, handlers } = this.options
    this.isFlushing = false
    if (this.isClosed) return
    if (redis.status !== 'ready') return this.ledger.forgetChanges()
    const { leaving, joining, standing } = this.ledger.takeChanges()
    for (const channels of splitIntoCommands(leaving, verbs)) this.leave(channels)
    for (const channels of splitIntoCommands(joining, verbs)) this.join(channels)
    // Dropped and wanted again within a tick: nothing was sent, and the one who wants it now waits for a word.
    if (standing.length > 0) handlers.onConfirmed(standing)
  }

  private join (channels: readonly string[]): void {
    const { redis, verbs, handlers } = this.options
    const [sentOn, sentAtMs] = [this.connection, this.now()]
    const join = this.ledger.join(channels)
    Promise.all(verbs.map(async (verb) => await redis[verb](...channels))).then(() => {
      this.noteAnswered(sentOn, sentAtMs)
      join.confirmed = true
      handlers.onConfirmed(this.ledger.joinedBy(join, channels))
    }, (error: unknown) => {
      if (!(error instanceof ReplyError)) return this.reconnect(sentOn)
      const refused = this.ledger.joinedBy(join, channels)
      this.ledger.doubt(refused)
      if (sentOn !== this.connection) return
      if (classifyFailure(error).kind === 'denied') this.splitDenied(refused, error)
      else this.retry()
    })
  }

  /** One channel that is denied fails the command for all: the halves are tried by themselves, until what is denied stands alone. */
  private splitDenied (channels: readonly string[], error: unknown): void {
    if (channels.length > 1) {
      const half = Math.ceil(channels.length / 2)
      this.join(channels.slice(0, half))
      this.join(channels.slice(half))
    } else if (channels.length === 1) {
      this.options.handlers.onRefused(channels, error)
      this.retryDenied()
    }
  }

  private retryDenied (): void {
    if (this.retryingDenied !== null) return
    this.retryingDenied = this.timers.after(this.deniedRetryMs, () => {
      this.retryingDenied = null
      this.sendUnsettled()
    })
    this.deniedRetryMs = Math.min(LAST_DENIED_RETRY_MS, this.deniedRetryMs * 2)
  }

  private leave (channels: readonly string[]): void {
    const { redis, verbs } = this.options
    const sentOn = this.connection
    Promise.all(verbs.map(async (verb) => await redis[verb === 'subscribe' ? 'unsubscribe' : 'sunsubscribe'](...channels)))
      .catch((error: unknown) => {
        // Refused means that the slot has moved, and with that the subscription ended; or it is denied, and what comes is not heard.
        if (error instanceof ReplyError) this.tellDenied(error)
        else this.reconnect(sentOn)
      })
  }

  private tellDenied (error: unknown): void {
    if (classifyFailure(error).kind === 'denied') this.options.handlers.onDenied(error)
  }

  /** Whether Redis still holds a subscription is unknown: only a new connection starts clean. */
  private reconnect (sentOn: number): void {
    const { redis } = this.options
    if (sentOn !== this.connection || sentOn === this.leftConnection || redis.status !== 'ready') return
    // It ends later where the peer says nothing, and each of many unanswered commands would end it again.
    this.leftConnection = sentOn
    redis.disconnect(true)
  }

  private sendUnsettled (): void {
    if (this.ledger.touchUnsettled()) this.flushLater()
  }

  private retry (): void {
    this.options.onMisplaced()
    this.retrying ??= this.timers.after(RETRY_MS, () => {
      this.retrying = null
      this.sendUnsettled()
    })
  }

  /**
   * Redis ended the subscriptions of a slot that went to another node, and ioredis does not say of which. Most often
   * the new topology takes them along; if the slot has come back meanwhile, only sending all again helps.
   */
  private rejoin (): void {
    this.options.onMisplaced()
    this.rejoining ??= this.timers.after(REJOIN_MS, () => {
      this.rejoining = null
      this.ledger.doubtConfirmed()
      this.sendUnsettled()
    })
  }

  private loseConnection (): void {
    this.connection++
    this.deniedRetryMs = FIRST_DENIED_RETRY_MS
    const lost = this.ledger.loseConnection()
    if (lost.length > 0) this.options.handlers.onLost(lost, this.goodAtMs)
    this.options.onMisplaced()
  }
}
