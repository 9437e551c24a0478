import type { SendOutcome, Socket, SocketHandlers } from '../../src/connection/transport.js'
import type { Host } from './host.js'
import type { World } from './world.js'

/** Room above `maxBufferedBytes` before the native layer drops what is sent. */
const MARGIN_BYTES = 65_536
/** The native layer finds a peer that is gone, at the latest. */
const GIVEN_UP_MS = 20_000
const ABNORMAL = 1006
/** A round of the event loop, where nothing stands still. */
const MEAN_ROUND_MS = 1

export type Sent = { readonly text: string } | { readonly code: number, readonly reason: string }

/** The network of one client: how fast it takes what is sent, in bytes per ms, above 0. */
export interface Line { bytesPerMs: number }

export interface WireOptions {
  readonly world: World
  readonly line: Line
  readonly server: Host
  readonly client: Host
  readonly onArrived: (sent: Sent) => void
  readonly onGone: (wire: Wire) => void
}

/** One WebSocket connection: the server's end of it as the native layer gives it, and the way between both. */
export class Wire implements Socket {
  handlers: SocketHandlers | null = null
  /** Native topics that it has joined. */
  readonly topics = new Set<string>()
  /** What was published to its topics in this turn. */
  private published: Uint8Array[] = []
  private readonly queue: Array<{ readonly sent: Sent, readonly bytes: number }> = []
  private queuedBytes = 0
  /** Calls off the next drain; null: none is due. */
  private draining: (() => void) | null = null
  private isServerGone = false
  private isClientGone = false
  private isHalfOpen = false
  /** Nothing that is written from now on arrives, also while the server has not heard of it. */
  private isCut = false
  private lastToClientMs = 0
  private lastToServerMs = 0

  constructor (private readonly options: WireOptions) {}

  get isOpen (): boolean { return !this.isServerGone }

  send (frame: string | ArrayBuffer | Uint8Array): SendOutcome {
    this.flush()
    const text = typeof frame === 'string' ? frame : Buffer.from(frame as Uint8Array).toString()
    return this.write({ text }, Buffer.byteLength(text))
  }

  /** The native `publish`: it goes out at the end of a round of the event loop, or before what is sent by itself. */
  publish (frame: Uint8Array): void {
    const { server, world } = this.options
    if (this.published.length === 0) server.after(world.chance.span(MEAN_ROUND_MS), () => { this.flush() })
    this.published.push(frame)
  }

  bufferedBytes (): number { return this.isServerGone ? 0 : this.queuedBytes }

  end (code: number, reason: string): void {
    if (this.isServerGone) return
    this.flush()
    this.write({ code, reason }, 10)
    this.closeServer(code)
  }

  ping (): void { /* no answer of a client counts for anything here */ }

  terminate (): void {
    if (this.isServerGone) return
    this.queue.length = this.queuedBytes = 0
    this.arriveLater({ code: ABNORMAL, reason: '' })
    this.closeServer(ABNORMAL)
  }

  together (work: () => void): void { work() }

  subscribe (topic: string): void { if (!this.isServerGone) this.topics.add(topic) }

  unsubscribe (topic: string): void {
    // The native subscriber goes with its last topic, and with it what was published and is not written yet.
    if (this.topics.delete(topic) && this.topics.size === 0) this.published = []
  }

  /** The client sends a frame. */
  sendToServer (text: string): void {
    const bytes = new TextEncoder().encode(text)
    this.toServer(() => { this.handlers?.onMessage(bytes.buffer, false) })
  }

  /** The client closes, or is gone. */
  closeByClient (code: number): void {
    if (this.isClientGone) return
    this.isClientGone = true
    this.toServer(() => { this.closeServer(code) })
  }

  /** Something on the way ends it: both are told. */
  cut (): void {
    this.isCut = true
    this.queue.length = this.queuedBytes = 0
    this.arriveLater({ code: ABNORMAL, reason: '' })
    this.toServer(() => { this.closeServer(ABNORMAL) })
  }

  /** Nothing passes any more; neither is told, and the server's side finds out late. */
  halfOpen (): void {
    this.isHalfOpen = true
    this.options.server.after(GIVEN_UP_MS, () => { this.closeServer(ABNORMAL) })
  }

  /** The process is gone, with all that it had not sent. `tells`: its machine says so. */
  die (tells: boolean): void {
    this.isServerGone = true
    this.queue.length = this.queuedBytes = 0
    if (tells) this.arriveLater({ code: ABNORMAL, reason: '' })
  }

  /** The line has changed. */
  redraw (): void {
    this.draining?.()
    this.draining = null
    this.drain()
    if (!this.isServerGone) this.options.server.enter(() => { if (!this.isServerGone) this.handlers?.onDrain() })
  }

  private closeServer (code: number): void {
    if (this.isServerGone) return
    this.isServerGone = true
    this.topics.clear()
    this.published = []
    this.handlers?.onClose(code)
    this.options.onGone(this)
  }

  private flush (): void {
    const { published } = this
    this.published = []
    for (const frame of published) {
      const text = Buffer.from(frame).toString()
      this.write({ text }, frame.length)
    }
  }

  private write (sent: Sent, bytes: number): SendOutcome {
    if (this.isServerGone) return 'sent'
    if (this.queuedBytes + bytes > this.options.world.knobs.maxBufferedBytes + MARGIN_BYTES) return 'dropped'
    this.queue.push({ sent, bytes })
    this.queuedBytes += bytes
    if (this.draining === null) this.drain()
    return this.queuedBytes > 0 ? 'buffered' : 'sent'
  }

  /** What a fast line takes at once is never buffered. */
  private drain (): void {
    const { line, server } = this.options
    for (let first = this.queue[0]; first !== undefined; first = this.queue[0]) {
      if (line.bytesPerMs === Infinity) {
        this.pass(first)
        continue
      }
      const waiting = first
      this.draining = this.options.world.scheduler.at(this.options.world.nowMs + first.bytes / line.bytesPerMs, () => {
        this.draining = null
        if (this.queue[0] === waiting) this.pass(waiting)
        if (!this.isServerGone) server.enter(() => { if (!this.isServerGone) this.handlers?.onDrain() })
        if (this.draining === null) this.drain()
      })
      return
    }
  }

  private pass ({ sent, bytes }: { readonly sent: Sent, readonly bytes: number }): void {
    this.queue.shift()
    this.queuedBytes -= bytes
    if (!this.isCut) this.arriveLater(sent)
  }

  private arriveLater (sent: Sent): void {
    const { world, client, onArrived } = this.options
    if (this.isHalfOpen) return
    this.lastToClientMs = Math.max(this.lastToClientMs, world.nowMs + world.chance.span(world.knobs.latencyMs))
    world.scheduler.at(this.lastToClientMs, () => {
      client.enter(() => { if (!this.isClientGone && !this.isHalfOpen) onArrived(sent) })
    })
  }

  private toServer (arrive: () => void): void {
    const { world, server } = this.options
    if (this.isHalfOpen) return
    this.lastToServerMs = Math.max(this.lastToServerMs, world.nowMs + world.chance.span(world.knobs.latencyMs))
    world.scheduler.at(this.lastToServerMs, () => { server.enter(() => { if (!this.isServerGone && !this.isHalfOpen) arrive() }) })
  }
}
