import type { Application } from './application.js'
import type { GatewayProcess } from './gateway-process.js'
import type { Network } from './network.js'
import type { Publisher } from './publisher.js'
import { Random } from './random.js'
import type { SimData } from './sim-redis.js'
import type { World } from './world.js'

/** What is at hand for faults to happen to. */
export interface Victims {
  readonly world: World
  readonly network: Network
  readonly applications: readonly Application[]
  readonly topics: readonly string[]
}

interface Storm extends Victims {
  readonly random: Random
  /** Older copies of the data, the newest last. */
  readonly copies: SimData[]
}

type Fault = (storm: Storm) => void

const someProcess = ({ network, random }: Storm, strike: (process: GatewayProcess) => void): void => {
  if (network.processes.length > 0) strike(random.pick(network.processes))
}
const someApplication = ({ applications, random }: Storm, strike: (application: Application) => void): void => {
  strike(random.pick(applications))
}
const someUser = ({ random, topics }: Storm): string => random.pick(topics.filter(topic => topic.startsWith('user:')))
const until = ({ world, random }: Storm, meanMs: number): number => world.nowMs + random.span(meanMs)

const COMES_BACK_OLDER = 'an older copy comes back'

/** Each kind of fault by its name. */
export const FAULTS: Readonly<Record<string, Fault>> = {
  'process dies': storm => someProcess(storm, (process) => {
    storm.network.kill(process, () => storm.random.chance(0.8))
    storm.world.scheduler.at(until(storm, 2000), () => { storm.network.startMissing(1) })
  }),
  'process stands still': storm => someProcess(storm, (process) => { process.host.standStill(storm.random.span(3000)) }),
  'subscriber is cut': storm => someProcess(storm, (process) => { process.subscriber.cut() }),
  'subscriber is half-open': storm => someProcess(storm, (process) => { process.subscriber.halfOpen() }),
  'messages are lost': storm => someProcess(storm, ({ subscriber }) => {
    subscriber.losesUntilMs = until(storm, 3000)
    subscriber.loss = storm.random.pick([0.1, 0.5, 1])
  }),
  'messages are late': storm => someProcess(storm, ({ subscriber }) => {
    subscriber.delaysUntilMs = until(storm, 3000)
    subscriber.delayMs = storm.random.pick([20, 300, 1500])
  }),
  'confirmations are late': storm => someProcess(storm, ({ subscriber }) => { subscriber.confirmsLateUntilMs = until(storm, 5000) }),
  'commands are cut': storm => someProcess(storm, (process) => { process.store.cut() }),
  'answers are lost': storm => someProcess(storm, ({ store }) => { store.losesAnswersUntilMs = until(storm, 2000) }),
  'client is cut': storm => someApplication(storm, ({ wire }) => { wire?.cut() }),
  'client is half-open': storm => someApplication(storm, ({ wire }) => { wire?.halfOpen() }),
  'client reads slowly': storm => someApplication(storm, (application) => {
    application.line.bytesPerMs = storm.random.pick([0.05, 0.3, 2])
    storm.world.scheduler.at(until(storm, 4000), () => { restore(application) })
  }),
  'page is loaded anew': storm => someApplication(storm, (application) => {
    application.leave()
    storm.world.scheduler.at(until(storm, 2000), () => { if (application.page === null) application.load() })
  }),
  'topic is left': storm => someApplication(storm, (application) => {
    const topic = storm.random.pick(storm.topics)
    application.leaveTopic(topic)
    storm.world.scheduler.at(until(storm, 2000), () => { application.takeUpTopic(topic) })
  }),
  'page crashes': storm => someApplication(storm, (application) => { application.crashesNext = true }),
  'frame comes twice': storm => someApplication(storm, (application) => { application.repeatsNext = true }),
  'right is withdrawn': storm => someApplication(storm, ({ wish: { userId } }) => {
    const topics = storm.network.book.topicsOf(userId)
    if (topics.length === 0) return
    const topic = storm.random.pick(topics)
    storm.network.withdraw(userId, topic, () => storm.random.chance(0.7))
    storm.world.scheduler.at(until(storm, 6000), () => { storm.network.book.allow(userId, topic) })
  }),
  'rights are not told': ({ network, random, world }) => { network.book.awayUntilMs = world.nowMs + random.span(3000) },
  'Redis fails over': ({ network, random, copies, world }) => {
    network.redis.downUntilMs = world.nowMs + random.span(1500)
    // The newest lost little, and the present copy nothing.
    const older = random.chance(0.2) ? network.redis.copy() : random.pick(copies)
    network.redis.failOver(older)
  },
  'Redis is away': ({ network, random, world }) => {
    network.redis.downUntilMs = world.nowMs + random.span(3000)
    for (const link of [...network.redis.links]) if (random.chance(0.7)) link.cut()
  },
  'Redis refuses writes': (storm) => { storm.network.redis.refusesUntilMs = until(storm, 3000) },
  'Redis lags': (storm) => {
    storm.network.redis.lagMs = storm.random.pick([50, 900, 1600])
    storm.network.redis.lagsUntilMs = until(storm, 3000)
  },
  'head is evicted': ({ network, random, topics }) => { network.redis.evictHead(random.pick(topics)) },
  'events are evicted': ({ network, random, topics }) => { network.redis.evictEvents(random.pick(topics)) },
  'note is evicted': (storm) => { storm.network.redis.evictNotes(someUser(storm)) },
  'note is another thing': (storm) => {
    const topic = someUser(storm)
    storm.network.redis.spoilNotes(topic)
    storm.network.doubts.unreadable(topic)
    storm.world.scheduler.at(until(storm, 4000), () => { storm.network.redis.foreign.delete(topic) })
  },
  'Redis is flushed': ({ network }) => { network.redis.flush() },
  [COMES_BACK_OLDER]: ({ network: { redis, doubts, truth }, random, copies }) => {
    const before = new Map(redis.topics.heads)
    redis.restore(random.pick(copies))
    doubts.restored(before, redis.topics.heads, truth)
  },
  'clock of Redis is set': ({ network, random }) => { network.redis.clockOffsetMs += random.pick([-60_000, -2000, 2000, 60_000]) }
}

function restore (application: Application): void {
  application.line.bytesPerMs = Infinity
  application.wire?.redraw()
}

const COPY_MS = 700
const MOST_COPIES = 8

/** Lets faults happen for a while, each kind as often as the knobs say. */
export function startStorm (victims: Victims, random: Random): void {
  const { world, network } = victims
  const { stormMs, faults } = world.knobs
  const storm: Storm = { ...victims, random, copies: [network.redis.copy()] }
  for (let atMs = COPY_MS; atMs < stormMs; atMs += COPY_MS) {
    world.scheduler.at(world.nowMs + atMs, () => {
      storm.copies.push(network.redis.copy())
      if (storm.copies.length > MOST_COPIES) storm.copies.shift()
    })
  }
  for (const [name, strike] of Object.entries(FAULTS)) {
    if (name === COMES_BACK_OLDER && !world.knobs.comesBackOlder) continue
    const times = Math.floor(random.span(faults))
    for (let n = 0; n < times; n++) {
      world.scheduler.at(world.nowMs + random.next() * stormMs, () => {
        world.count(`fault: ${name}`)
        if (world.trace.isOn) world.trace.note(`fault: ${name}`)
        strike(storm)
      })
    }
  }
}

const TURN_SPAN_MS = 5000
const TOGETHER_MS = 300
const PUBLISHED_SPAN_MS = 9000

/** All is well, and goes on: pages, processes and connections come and go, and what is published meanwhile is heard at once. */
export function goOn (victims: Victims, publisher: Publisher, random: Random): void {
  const { world, network } = victims
  const storm: Storm = { ...victims, random, copies: [] }
  const turns: readonly Fault[] = [
    () => someApplication(storm, (application) => { application.load() }),
    () => someProcess(storm, (process) => {
      network.kill(process, () => true)
      network.startMissing(1)
    }),
    () => someProcess(storm, ({ subscriber }) => { subscriber.cut() }),
    () => {
      network.redis.lagMs = 400
      network.redis.lagsUntilMs = world.nowMs + 1000
    }
  ]
  // Most can go wrong where several fall together.
  const atMs = world.nowMs + random.next() * TURN_SPAN_MS
  for (const turn of turns) if (random.chance(0.5)) world.scheduler.at(atMs + random.span(TOGETHER_MS), () => { turn(storm) })
  for (let n = 0; n < 4; n++) world.scheduler.at(world.nowMs + random.next() * PUBLISHED_SPAN_MS, () => { publisher.publishSome() })
  publisher.greetsUntilMs = world.nowMs + PUBLISHED_SPAN_MS
}

/** Everything is as it should be; what was lost and is not known to be lost is still to be found. */
export function heal ({ world: { nowMs, knobs }, network, applications }: Victims): void {
  const { redis, book } = network
  redis.downUntilMs = Math.min(redis.downUntilMs, nowMs)
  redis.refusesUntilMs = redis.lagsUntilMs = book.awayUntilMs = nowMs
  redis.foreign.clear()
  for (const { subscriber, store } of network.processes) {
    subscriber.losesUntilMs = subscriber.delaysUntilMs = subscriber.confirmsLateUntilMs = store.losesAnswersUntilMs = nowMs
  }
  network.startMissing(knobs.processes)
  for (const application of applications) {
    restore(application)
    application.crashesNext = application.repeatsNext = false
    if (application.page === null) application.load()
  }
}
