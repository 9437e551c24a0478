import type { HistorySettings } from '../../src/history/history.js'
import { Random } from './random.js'

/** What a run is made of, drawn from its seed so that rare corners are common. */
export interface Knobs {
  readonly history: HistorySettings
  readonly processes: number
  readonly applications: number
  readonly tenants: number
  readonly agentsPerTenant: number
  readonly maxBufferedBytes: number
  readonly recheckMs: number
  /** From one publication to the next, on average. */
  readonly publishGapMs: number
  /** Publications go on while everything heals. */
  readonly publishesInCalm: boolean
  readonly padBytes: number
  /** Faults of each kind in a run, on average. */
  readonly faults: number
  /** How long faults happen. */
  readonly stormMs: number
  readonly storms: number
  /** Of a network that is well, one way. */
  readonly latencyMs: number
  /** Share of the applications that keep positions over page loads, and that narrow their events. */
  readonly withStorage: number
  readonly withTypes: number
  readonly withLast: number
  /** An older copy of the data may come back, and nothing in the store tells of it. */
  readonly comesBackOlder: boolean
  /** Positions that moved in silence are told each this time. */
  readonly positionsMs: number
  /** `WS_PLAIN_USER_PUBLISH`: each user's own channel is subscribed to; else a process hears its users by one of its own. */
  readonly plainUserPublish: boolean
  /** Once all is well, pages, processes and connections still come and go. */
  readonly goesOn: boolean
}

const EVENTS = [0, 1, 3, 10, 200] as const
const BYTES = [400, 2000, 20_000, 1_048_576] as const
const KEEP_MS = [8000, 30_000, 300_000] as const

export function drawKnobs (seed: number): Knobs {
  const random = new Random(seed, 2)
  const keepMs = random.pick(KEEP_MS)
  const events = new Map([['agent', random.pick(EVENTS)], ['task', random.pick(EVENTS)], ['user', random.pick(EVENTS)]])
  return {
    history: { events, keepMs, maxBytes: random.pick(BYTES), metaMs: random.pick([keepMs, 86_400_000]) },
    processes: random.between(1, 3),
    applications: random.between(1, 4),
    tenants: random.between(1, 2),
    agentsPerTenant: random.between(1, 3),
    maxBufferedBytes: random.pick([1500, 6000, 65_536]),
    recheckMs: random.pick([5000, 15_000]),
    publishGapMs: random.pick([150, 400, 1200]),
    publishesInCalm: random.chance(0.3),
    padBytes: random.pick([0, 0, 100, 1000]),
    faults: random.pick([0.3, 0.8, 1.5]),
    stormMs: random.pick([2500, 5000, 10_000]),
    storms: random.pick([1, 1, 1, 2]),
    latencyMs: random.pick([0.5, 5, 40]),
    withStorage: random.pick([0, 0.5, 1]),
    withTypes: random.pick([0, 0.4]),
    withLast: random.pick([0, 0.4]),
    comesBackOlder: random.chance(0.3),
    positionsMs: random.pick([700, 30_000]),
    plainUserPublish: random.chance(0.35),
    goesOn: random.chance(0.5)
  }
}
