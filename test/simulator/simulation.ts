import { forbidAmbient } from './ambient.js'
import { Application, type Wish } from './application.js'
import { goOn, heal, startStorm, type Victims } from './faults.js'
import { drawKnobs } from './knobs.js'
import { checkCalm, checkLeaks } from './ledger/calm.js'
import { Doubts } from './ledger/doubts.js'
import { Truth } from './ledger/truth.js'
import { Network } from './network.js'
import { EVENTS, Publisher } from './publisher.js'
import { Random } from './random.js'
import { RightsBook } from './rights-book.js'
import { SimRedis } from './sim-redis.js'
import { World, type Violation } from './world.js'

/** Until everything that was lost is found: 30 s for comparisons, and what it takes clients and processes to come back. */
const CALM_MS = 50_000
/** What is published later may be on its way. */
const SETTLE_MS = 8000
/** Publications may go on for so long after a storm. */
const PUBLISHED_ON_MS = 5000
const GIVE_BACK_MS = 6000
/** By then what was lost in the storm is found: from then on nothing may be late. */
const FOUND_MS = 31_000

/** What became of one seed. */
export interface Outcome {
  readonly seed: number
  readonly violation: Violation | null
  readonly simulatedMs: number
  readonly counts: ReadonlyMap<string, number>
  readonly digest: string
  readonly lines: readonly string[]
}

/** Runs one seed from the beginning to its end, or to the first promise that is broken. */
export async function simulate (seed: number, tracing: { readonly keptLines?: number, readonly prints?: boolean } = {}): Promise<Outcome> {
  const world = new World(seed, drawKnobs(seed), tracing)
  const truth = new Truth(() => world.nowMs)
  const redis = new SimRedis(world, truth)
  const network = new Network(world, truth, new Doubts(), redis, new RightsBook(world))
  const random = new Random(seed, 4)
  const { topics, users } = populate(network, random)
  network.startMissing(world.knobs.processes)
  const applications = Array.from({ length: world.knobs.applications }, (_, n) =>
    new Application(world, network, `app${n + 1}`, wishOf(world, random, random.pick(users))))
  const publisher = new Publisher(world, network, topics)
  const victims: Victims = { world, network, applications, topics }
  const allowAmbient = forbidAmbient()
  try {
    await run(victims, publisher, random)
  } finally {
    allowAmbient()
  }
  return {
    seed,
    violation: world.violation,
    simulatedMs: world.nowMs,
    counts: world.counts,
    digest: world.trace.digest(),
    lines: world.trace.newest()
  }
}

async function run (victims: Victims, publisher: Publisher, random: Random): Promise<void> {
  const { world, network, applications } = victims
  const { scheduler, knobs } = world
  for (const application of applications) scheduler.at(random.span(1000), () => { if (application.page === null) application.load() })
  publisher.start()
  for (let storm = 0; storm < knobs.storms && world.violation === null; storm++) {
    publisher.isStopped = false
    publisher.greetsUntilMs = Infinity
    startStorm(victims, random)
    await scheduler.runUntil(world.nowMs + knobs.stormMs)
    heal(victims)
    publisher.isStopped = !knobs.publishesInCalm
    publisher.greetsUntilMs = world.nowMs + PUBLISHED_ON_MS
    scheduler.at(world.nowMs + PUBLISHED_ON_MS, () => { publisher.isStopped = true })
    if (knobs.goesOn) scheduler.at(world.nowMs + FOUND_MS, () => { goOn(victims, publisher, random) })
    await scheduler.runUntil(world.nowMs + CALM_MS)
    if (world.violation === null) checkCalm(victims, world.nowMs - SETTLE_MS)
  }
  publisher.isStopped = true
  if (world.violation !== null) return
  for (const application of applications) application.leave()
  await scheduler.runUntil(world.nowMs + GIVE_BACK_MS)
  if (world.violation === null) checkLeaks(network)
}

/** Tenants with topics of their own, and users who may see those of one. */
function populate ({ world: { knobs }, book }: Network, random: Random): { readonly topics: string[], readonly users: string[] } {
  const topics: string[] = []
  const users: string[] = []
  for (let tenant = 1; tenant <= knobs.tenants; tenant++) {
    const own = Array.from({ length: knobs.agentsPerTenant }, (_, n) => [`agent:t${tenant}a${n}`, `task:t${tenant}t${n}`]).flat()
    topics.push(...own)
    // One of them has a name with several spellings, and so several channels.
    for (const user of [`u${tenant}`, `u ${tenant}'s`]) {
      users.push(user)
      topics.push(`user:${user}`)
      for (const topic of own) if (random.chance(0.9)) book.allow(user, topic)
    }
  }
  return { topics, users }
}

function wishOf ({ knobs }: World, random: Random, userId: string): Wish {
  const tenant = /\d/.exec(userId)?.[0] ?? ''
  const ids = (kind: string): string[] => Array.from({ length: knobs.agentsPerTenant }, (_, n) => `t${tenant}${kind}${n}`)
  return {
    userId,
    agents: random.chance(0.3) ? '*' : ids('a'),
    tasks: random.chance(0.3) ? '*' : ids('t'),
    types: random.chance(knobs.withTypes) ? [random.pick(EVENTS)] : null,
    last: random.chance(knobs.withLast) ? random.between(1, Math.max(1, ...knobs.history.events.values())) : null,
    keepsPositions: random.chance(knobs.withStorage)
  }
}
