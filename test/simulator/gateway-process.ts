import { identityOf } from '../access/identity-of.js'
import { createTestContext, createTestReport, createTestWheel, createTestLimiter, type TestReport } from '../connection/stand-ins.js'
import type { Redis } from '#ioredis'
import { parseAddress, type ClientAddress } from '../../src/address/client-address.js'
import { createRedisBus } from '../../src/bus/redis-bus.js'
import { Subscriber } from '../../src/bus/subscriber.js'
import { publishThroughHistory, type Publishing } from '../../src/bus/publishing.js'
import type { Inbound } from '../../src/bus/inbound.js'
import { createDelivery } from '../../src/connection/deliver.js'
import { createOpenSession } from '../../src/connection/open-session.js'
import { parseFilter, isFilterError } from '../../src/connection/parse-filter.js'
import { parseQuery } from '../../src/connection/parse-query.js'
import { createRegistry } from '../../src/connection/registry.js'
import { createReplays } from '../../src/connection/replays.js'
import { createRights, type Rights } from '../../src/connection/rights.js'
import { endSession } from '../../src/connection/send-end-close.js'
import type { Session } from '../../src/connection/session.js'
import { startSilentPositions } from '../../src/connection/silent-positions.js'
import { createSubscriptions } from '../../src/connection/subscriptions.js'
import { toTopicHandlers } from '../../src/connection/topic-handlers.js'
import type { PendingUpgrade } from '../../src/connection/transport.js'
import { parsePosition } from '../../src/history/position.js'
import { NOTHING_VISIBLE } from '../../src/access/authorizer.js'
import type { RedisClient } from '../../src/redis/client.js'
import { nodeChannel } from '../../src/redis/keys.js'
import { refuse } from '../../src/refusals.js'
import { createTopicLogs } from '../../src/topic-log/process-logs.js'
import type { TopicLogs } from '../../src/topic-log/topic-logs.js'
import { Host } from './host.js'
import type { Doubts } from './ledger/doubts.js'
import type { RightsBook } from './rights-book.js'
import type { SimRedis } from './sim-redis.js'
import { StoreLink, WRONG_TYPE } from './store-link.js'
import { SubscriberLink } from './subscriber-link.js'
import type { Wire } from './wire.js'
import { Witness } from './witness.js'
import type { World } from './world.js'

const UNVERIFIABLE = refuse('unavailable', { retryAfterMs: 5000 })
const MAX_IDS = 50
const ADDRESS = parseAddress('192.0.2.1') as ClientAddress
/** Nobody sends messages here. */
const NO_INBOUND = { append: async () => { throw new Error('nobody should send') }, close: () => {} } as unknown as Inbound

/** A gateway's process: its own code from the upgrade on, over the simulated network. */
export class GatewayProcess {
  readonly host: Host
  readonly store: StoreLink
  readonly subscriber: SubscriberLink
  readonly logs: TopicLogs
  readonly rights: Rights
  readonly registry = createRegistry()
  readonly publishing: Publishing
  readonly wires = new Set<Wire>()
  /** The channel on which it hears of its users; null: it subscribes to each one's. */
  readonly ownChannel: string | null
  private readonly report: TestReport = createTestReport()
  private readonly open: ReturnType<typeof createOpenSession>
  private connections = 0

  constructor (private readonly world: World, redis: SimRedis, book: RightsBook, doubts: Doubts, readonly name: string) {
    const host = this.host = new Host(world.scheduler)
    const hearsByProcess = !world.knobs.plainUserPublish
    const ownChannel = this.ownChannel = hearsByProcess ? nodeChannel('', name) : null
    const store = this.store = new StoreLink(world, redis, host, hearsByProcess ? name : null)
    const subscriber = this.subscriber = new SubscriberLink(world, redis, host)
    const { maxBufferedBytes, history: { events, keepMs } } = world.knobs
    const { epochNow, steadyNow } = world
    const witness = new Witness(doubts, name)
    const logs = this.logs = createTopicLogs({
      history: witness.watch(store),
      settings: world.knobs.history,
      readHead: null,
      timers: host,
      now: epochNow,
      onUnreadable: (error) => { if (!String(error).includes(WRONG_TYPE)) world.fail('fault', `${name}: ${String(error)}`) },
      openBus: handlers => createRedisBus({
        ...handlers,
        onEvent (topic, event, place) {
          if (place !== null && place !== undefined) witness.hear(topic, place, event)
          handlers.onEvent(topic, event, place)
        },
        client: {} as RedisClient,
        prefix: '',
        own: ownChannel,
        timers: host,
        now: steadyNow,
        monotonicNow: () => world.nowMs,
        openChannels: channelHandlers => new Subscriber({
          redis: subscriber as unknown as Redis,
          verbs: ['subscribe'],
          handlers: channelHandlers,
          commands: () => null,
          onMisplaced () {},
          timers: host,
          now: epochNow
        })
      })
    })
    witness.logs = logs
    const report = {
      ...this.report,
      fault: (error: unknown, where: string) => { world.fail('fault', `${name}: ${where}: ${error instanceof Error ? error.stack ?? '' : String(error)}`) }
    }
    const delivery = createDelivery({
      sendToTopic: (topic, frame) => { for (const wire of this.wires) if (wire.topics.has(topic)) wire.publish(frame) },
      maxBufferedBytes,
      onGap: () => {},
      timers: host,
      now: epochNow
    })
    const authorizer = book.authorizerOf(host)
    const random = world.chance.next
    const rights = this.rights = createRights({
      authorizer, periodMs: world.knobs.recheckMs, onFault: (error) => { report.fault(error, 'recheck') }, now: steadyNow, timers: host, random
    })
    const replays = createReplays({ logs, delivery, report, maxBufferedBytes, timers: host })
    const subscriptions = createSubscriptions({
      authorizer,
      logs,
      inbound: NO_INBOUND,
      delivery,
      replays,
      rights,
      report,
      timers: host,
      now: steadyNow,
      maxBufferedBytes,
      maxFilterIds: MAX_IDS,
      subscribesPerS: 10,
      kept: events,
    })
    logs.start(toTopicHandlers(delivery, replays))
    startSilentPositions({ registry: this.registry, logs, timers: host, maxBufferedBytes, periodMs: world.knobs.positionsMs })
    rights.start({ withdraw: subscriptions.withdraw, unverifiable: (session) => { endSession(session, UNVERIFIABLE) } })
    this.publishing = publishThroughHistory(store)
    this.open = createOpenSession(createTestContext({
      node: name,
      historyS: keepMs / 1000,
      limits: { frame_bytes: 65_536, messages: 10_000, message_window_s: 60, connections: 100, filter_ids: MAX_IDS, subscribes_per_s: 10 },
      maxBufferedBytes,
      clocks: { steadyNow, epochNow },
      registry: this.registry,
      wheel: createTestWheel(),
      limiter: createTestLimiter(),
      subscriptions,
      report
    }))
  }

  /** A client's upgrade request has come. */
  upgrade (wire: Wire, userId: string, search: string): void {
    const query = parseQuery(search)
    if ('error' in query) return this.world.fail('fault', query.error)
    const types = query.get('event_types')
    const eventTypes = types === undefined ? null : parseFilter('event_types', types, MAX_IDS)
    if (eventTypes !== null && isFilterError(eventTypes)) return this.world.fail('fault', eventTypes.error)
    const since = query.get('since') ?? null
    const topic = `user:${userId}`
    const identity = { ...identityOf(userId), expiresAtMs: this.world.epochNow() + 86_400_000 }
    const request = {
      path: '/ws',
      origin: '',
      host: '',
      token: null,
      ticket: null,
      protocol: '',
      refuseByClose: true,
      resume: null,
      since,
      eventTypes,
      ...NO_FILTERS
    }
    const startedMs = this.world.nowMs
    const lease = { owner: userId, connectionId: `${this.name}-${++this.connections}` }
    void this.store.readHeads([{ topic, since: since === null ? null : parsePosition(since), touch: true }]).then(([answer]) => {
      const head = answer?.status === 'fulfilled' ? answer.value : null
      if (this.host.isDead) return
      this.open(this.pend(wire), {
        request, address: ADDRESS, exempt: false, identity, granted: NOTHING_VISIBLE, lease, head, startedMs, traceparent: ''
      }, 0)
    })
  }

  /** It dies: with it all that it knew. */
  die (tells: (wire: Wire) => boolean): void {
    this.host.isDead = true
    this.store.cut()
    this.store.close()
    this.subscriber.disconnect()
    for (const wire of this.wires) wire.die(tells(wire))
    this.wires.clear()
  }

  sessions (): Session[] { return [...this.registry.all()] }

  private pend (wire: Wire): PendingUpgrade {
    return {
      head: {} as PendingUpgrade['head'],
      onAborted: null,
      refuse: () => {},
      accept: (_protocol, first, onOpen) => {
        if (!wire.isOpen) return false
        this.wires.add(wire)
        if (first !== null) wire.send(first)
        wire.handlers = onOpen(wire)
        return true
      }
    }
  }
}

const NO_FILTERS = { agents: null, tasks: null }
