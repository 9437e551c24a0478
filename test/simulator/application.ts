import type { Client } from '../../packages/client/src/client.js'
import { connect } from '../../packages/client/src/connect.js'
import type { PositionStorage } from '../../packages/client/src/position-storage.js'
import { Host } from './host.js'
import { ApplicationLedger } from './ledger/application-ledger.js'
import { topicsIn, withdrawnBy, type Frame } from './ledger/frames.js'
import { WireLedger } from './ledger/wire-ledger.js'
import type { Network } from './network.js'
import { createSimSocket } from './sim-socket.js'
import type { Line, Wire } from './wire.js'
import type { World } from './world.js'

/** What an application wants, and how it is built. */
export interface Wish {
  readonly userId: string
  /** Ids, or everything. */
  readonly agents: readonly string[] | '*'
  readonly tasks: readonly string[] | '*'
  readonly types: readonly string[] | null
  readonly last: number | null
  readonly keepsPositions: boolean
}

interface Page {
  readonly host: Host
  readonly client: Client
}

/** One application in a browser: it listens, its user comes and goes, its pages are loaded anew. */
export class Application {
  readonly line: Line = { bytesPerMs: Infinity }
  readonly ledger: ApplicationLedger
  page: Page | null = null
  /** Of the present connection. */
  wire: Wire | null = null
  wireLedger: WireLedger | null = null
  /** The next event makes its listener fail, and the page go down with it. */
  crashesNext = false
  /** The next event comes twice. */
  repeatsNext = false
  private readonly stored = new Map<string, string>()
  private frame: Frame | null = null
  private connections = 0

  constructor (private readonly world: World, private readonly network: Network, readonly name: string, readonly wish: Wish) {
    this.ledger = new ApplicationLedger(world, network.truth, network.doubts, name, wish.types, wish.last ?? 0)
  }

  get isOpen (): boolean { return this.page?.client.state.status === 'open' }

  get topics (): readonly string[] { return [...this.wireLedger?.followers.keys() ?? []] }

  /** Loads a page, in the place of one that there may be. */
  load (): void {
    this.leave()
    const { world, wish } = this
    const host = new Host(world.scheduler)
    const storage = this.storageOf(host)
    this.ledger.load(wish.keepsPositions)
    world.count('pages')
    const client = connect({
      url: 'ws://gateway/ws',
      token: () => tokenOf(wish.userId),
      agents: wish.agents,
      tasks: wish.tasks,
      ...(wish.types === null ? {} : { eventTypes: wish.types }),
      ...(wish.last === null ? {} : { last: wish.last }),
      ...(wish.keepsPositions ? { storage } : {}),
      WebSocket: createSimSocket({ open: (socket, search) => this.open(host, socket, search) }),
      timeoutMs: 5000,
      keepAliveMs: 8000,
      stableMs: 2000,
      backoff: { baseMs: 300, capMs: 3000 },
      clock: { now: () => world.nowMs, after: host.after, random: world.chance.next }
    })
    this.page = { host, client }
    this.listen(host, client)
  }

  /** The page is left: nothing of it runs any more. */
  leave (): void {
    if (this.page === null) return
    const { host } = this.page
    this.page.client.close()
    host.isDead = true
    this.wire?.closeByClient(1001)
    this.page = this.wire = this.wireLedger = null
  }

  /** It does not want a topic any more, if it named that one. */
  leaveTopic (topic: string): void {
    const filters = this.namedAs(topic)
    if (filters === null || this.page === null) return
    this.ledger.leave(topic)
    this.page.client.unsubscribe(filters).catch(() => { /* it comes to nothing with the page */ })
  }

  /** It wants the topic again. */
  takeUpTopic (topic: string): void {
    const { last } = this.wish
    const filters = this.namedAs(topic)
    if (filters === null || this.page === null) return
    this.world.count('topics taken up again')
    // The right to it may have ended, and so may the page.
    this.page.client.subscribe({ ...filters, ...(last === null ? {} : { last }) }).catch(() => {})
  }

  private namedAs (topic: string): { agents: readonly string[] } | { tasks: readonly string[] } | null {
    const [kind = '', id = ''] = topic.split(':')
    const { agents, tasks } = this.wish
    if (kind === 'agent' && agents !== '*' && agents.includes(id)) return { agents: [id] }
    return kind === 'task' && tasks !== '*' && tasks.includes(id) ? { tasks: [id] } : null
  }

  private open (host: Host, socket: Parameters<Network['connect']>[0]['socket'], search: string): Wire {
    const since = new URLSearchParams(search).get('since')
    const types = new URLSearchParams(search).get('event_types')?.split(',') ?? null
    const { world, network } = this
    const ledger = new WireLedger(world, network.truth, network.doubts, `${this.name}#${++this.connections}`, since, types)
    const wire = network.connect({
      socket,
      client: host,
      line: this.line,
      userId: this.wish.userId,
      search,
      onFrame: (text) => {
        const frame = JSON.parse(text) as Frame
        if (world.trace.isOn) world.trace.note(`${ledger.name} < ${text.slice(0, 400)}`)
        ledger.receive(frame)
        this.frame = frame
      },
      onSent: (text) => {
        if (world.trace.isOn) world.trace.note(`${ledger.name} > ${text.slice(0, 400)}`)
        ledger.sent(JSON.parse(text) as Frame)
      },
      repeats: (text) => {
        if (!this.repeatsNext || !text.startsWith('{"type":"event"') || !text.includes('"pos"')) return false
        this.repeatsNext = false
        return true
      },
      onEnd: () => { if (this.wire === wire) this.wire = this.wireLedger = null }
    })
    this.wire = wire
    this.wireLedger = ledger
    return wire
  }

  private listen (host: Host, client: Client): void {
    const { ledger, world } = this
    const guarded = <T>(hear: (signal: T) => void) => (signal: T): void => { if (!host.isDead) hear(signal) }
    client.on('recovered', guarded(({ topics }) => { if (this.frame !== null) ledger.recovered(topics, this.frame) }))
    client.on('gap', guarded(({ topics }) => { ledger.gap(topics) }))
    client.on('welcome', guarded((frame) => { ledger.begun(frame as Frame) }))
    client.on('subscribed', guarded((frame) => { ledger.begun(frame as Frame) }))
    client.on('unsubscribed', guarded((frame) => { ledger.left(topicsIn(frame)) }))
    client.on('denied', guarded(({ topics }) => { ledger.left(topics) }))
    client.on('error', guarded((frame) => { if (withdrawnBy(frame as Frame).length > 0) world.count('rights withdrawn from open connections') }))
    client.on('event', guarded((frame) => {
      if (!this.crashesNext) return ledger.take(frame as Frame)
      // The page goes down in its own listener: what it was given it has not had.
      this.crashesNext = false
      world.count('pages that crashed')
      this.leave()
      world.scheduler.at(world.nowMs + 500, () => { if (this.page === null) this.load() })
    }))
  }

  /** What a page that is gone would write is not written. */
  private storageOf (host: Host): PositionStorage {
    return {
      getItem: key => this.stored.get(key) ?? null,
      setItem: (key, value) => { if (!host.isDead) this.stored.set(key, value) },
      removeItem: (key) => { if (!host.isDead) this.stored.delete(key) }
    }
  }
}

function tokenOf (userId: string): string {
  const claims = Buffer.from(JSON.stringify({ iss: 'simulator', sub: userId })).toString('base64url')
  return `h.${claims}.s`
}
