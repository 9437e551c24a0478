import { EventEmitter } from 'node:events'
import type { Host } from './host.js'
import type { Listener, ServerLink, SimRedis } from './sim-redis.js'
import type { World } from './world.js'

const COMMAND_TIMEOUT_MS = 5000
const RETRY_MS = 300

/** The connection of a process for subscriptions: what `Subscriber` uses of ioredis, on the simulated network. */
export class SubscriberLink extends EventEmitter implements ServerLink {
  status: 'wait' | 'connecting' | 'ready' | 'reconnecting' | 'end' = 'wait'
  /** Each message is lost with this probability, and delayed by up to so much. */
  losesUntilMs = 0
  loss = 0
  delaysUntilMs = 0
  delayMs = 0
  /** Confirmations are late before this. */
  confirmsLateUntilMs = 0
  private connection = 0
  private isHalfOpen = false
  private listener: Listener | null = null
  private readonly pending = new Set<(error: Error) => void>()
  private lastToServerMs = 0
  private lastBackMs = 0

  constructor (private readonly world: World, private readonly redis: SimRedis, private readonly host: Host) {
    super()
    redis.links.add(this)
  }

  async connect (): Promise<void> {
    this.status = 'connecting'
    this.host.after(this.world.chance.span(2 * this.world.knobs.latencyMs), () => {
      if (this.status !== 'connecting') return
      if (this.redis.isDown) return this.retry()
      this.connection++
      this.isHalfOpen = false
      this.listener = this.listenOn(this.connection)
      this.status = 'ready'
      this.emit('ready')
    })
  }

  disconnect (reconnects = false): void {
    const before = this.status
    this.leave()
    this.status = reconnects ? 'reconnecting' : 'end'
    if (!reconnects) this.redis.links.delete(this)
    if (before === 'ready') this.host.soon(() => { this.closed(reconnects) })
  }

  async subscribe (...channels: string[]): Promise<unknown> {
    const lateMs = this.world.nowMs < this.confirmsLateUntilMs ? this.world.chance.span(1500) : 0
    return await this.command((listener) => { for (const channel of channels) this.redis.subscribe(channel, listener) }, lateMs)
  }

  async unsubscribe (...channels: string[]): Promise<unknown> {
    return await this.command((listener) => { for (const channel of channels) this.redis.unsubscribe(channel, listener) })
  }

  async ping (): Promise<unknown> { return await this.command(() => {}) }

  async info (): Promise<string> { return await Promise.resolve('redis_mode:standalone\r\nrun_id:one\r\n') }

  /** The server has ended it, or something on the way. */
  cut (): void {
    if (this.status !== 'ready') return
    const cutOn = this.connection
    this.leave()
    this.host.after(this.world.chance.span(RETRY_MS), () => {
      if (this.status !== 'ready' || this.connection !== cutOn) return
      this.status = 'reconnecting'
      this.closed(true)
    })
  }

  /** Nothing passes any more, and nobody is told. */
  halfOpen (): void {
    if (this.status !== 'ready') return
    this.isHalfOpen = true
    this.leave()
  }

  private leave (): void {
    if (this.listener !== null) this.redis.forget(this.listener)
    this.listener = null
  }

  private closed (reconnects: boolean): void {
    const lost = [...this.pending]
    this.pending.clear()
    for (const reject of lost) reject(new Error('Connection is closed.'))
    this.emit('close')
    if (reconnects) this.retry()
  }

  private retry (): void {
    this.status = 'reconnecting'
    this.host.after(this.world.chance.span(RETRY_MS), () => { if (this.status === 'reconnecting') void this.connect() })
  }

  private listenOn (connection: number): Listener {
    return {
      carry: (channel, payload) => {
        const { world } = this
        if (world.nowMs < this.losesUntilMs && world.chance.chance(this.loss)) {
          world.count('messages lost on the way')
          return
        }
        const delayMs = world.nowMs < this.delaysUntilMs ? world.chance.span(this.delayMs) : 0
        this.back(connection, delayMs, () => { this.emit('messageBuffer', Buffer.from(channel), payload) })
      }
    }
  }

  /** What the server sends arrives in its order. It may arrive after the server has ended the connection. */
  private back (connection: number, delayMs: number, arrive: () => void): void {
    this.lastBackMs = Math.max(this.lastBackMs, this.world.nowMs + delayMs + this.world.chance.span(this.world.knobs.latencyMs))
    this.world.scheduler.at(this.lastBackMs, () => {
      this.host.enter(() => { if (this.status === 'ready' && this.connection === connection && !this.isHalfOpen) arrive() })
    })
  }

  private async command (work: (listener: Listener) => void, lateMs = 0): Promise<unknown> {
    if (this.status !== 'ready') throw new Error('Connection is closed.')
    const { world, host, pending, connection } = this
    return await new Promise((resolve, reject) => {
      const fail = (error: Error): void => {
        cancel()
        pending.delete(fail)
        reject(error)
      }
      const cancel = host.after(COMMAND_TIMEOUT_MS, () => { fail(new Error('Command timed out')) })
      pending.add(fail)
      this.lastToServerMs = Math.max(this.lastToServerMs, world.nowMs + world.chance.span(world.knobs.latencyMs))
      world.scheduler.at(this.lastToServerMs, () => {
        if (this.connection !== connection || this.listener === null || this.redis.isDown) return
        work(this.listener)
        this.back(connection, lateMs, () => {
          if (!pending.delete(fail)) return
          cancel()
          resolve('OK')
        })
      })
    })
  }
}
