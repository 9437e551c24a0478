import { createJointAdmitCall, createSeparateAdmitCalls, type AdmitCallOptions } from './admit-calls.js'
import type { InFlight } from '../in-flight.js'
import type { LeaseCalls } from './lease-calls.js'
import type { Lease } from '../limiter.js'
import type { RecordCalls } from './record-calls.js'
import { split } from '../../collections/split.js'
import { createTickBatch, type TickBatch, type Turn } from './tick-batch.js'

export interface TurnOptions extends Pick<AdmitCallOptions, 'run' | 'keys' | 'settings'> {
  readonly leases: LeaseCalls
  readonly records: RecordCalls | null
  /** What may put leases or records back; the records that are kept join it. */
  readonly puts: InFlight
  /** Gets the releases that are sent once more. */
  readonly repeats: InFlight
}

/**
 * How many turns may be before a single Redis at once; `Infinity`: each tick's goes out as the tick ends. Each call has its
 * price to this process, however little it carries: under load fewer and fuller ones cost less, and who waits for the next
 * one waits no longer than Redis takes to answer.
 */
const MAX_TURNS_IN_FLIGHT = 1
const MAX_ADMITS_PER_CALL = 200
/** Above that, they take nobody along: a call would hold up all others. */
const MAX_RELEASES_WITH_ADMITS = 500

/** Gives leases back and decides attempts on a single Redis: both in one call. */
export function createJointTurns (options: TurnOptions): TickBatch {
  const { leases, records } = options
  const batch = createTickBatch(async ({ released, asked }: Turn) => {
    const goAlong = asked.length > 0 && released.length <= MAX_RELEASES_WITH_ADMITS
    // Before the admits: on one connection Redis sees it first, and a user who reconnects finds the slot free.
    const sent = goAlong ? [] : [leases.release(released)]
    for (const [i, part] of split(asked, MAX_ADMITS_PER_CALL).entries()) sent.push(admit(goAlong && i === 0 ? released : [], part))
    repeatRelease(options, released)
    // A lost release lapses with its lease. What a lost call may have taken is undone in the next turn: by all calls at once.
    const failed = (await Promise.allSettled(sent)).find((one) => one.status === 'rejected')
    if (failed !== undefined) throw failed.reason
  }, MAX_TURNS_IN_FLIGHT)
  const admit = createJointAdmitCall({ ...options, recordsKey: records?.key ?? null, undo: batch.release })
  return batch
}

/** The same on a cluster: one call per key, each tick's as it ends. */
export function createSeparateTurns (options: TurnOptions): TickBatch {
  const { leases, records, puts } = options
  const batch = createTickBatch(async ({ admitted, released, asked }: Turn) => {
    // What was admitted may be released already: so its record first.
    if (records !== null && admitted.length > 0) puts.track(records.keep(admitted)).catch(() => {})
    leases.release(released).catch(() => {})
    repeatRelease(options, released)
    admit(asked)
  }, Infinity)
  const admit = createSeparateAdmitCalls({ ...options, undo: batch.release, keepRecord: batch.keep })
  return batch
}

/** What is being put back at this moment may come after its release: then that comes once more. */
function repeatRelease ({ leases, puts, repeats }: TurnOptions, released: readonly Lease[]): void {
  if (released.length === 0 || puts.size === 0) return
  repeats.track(puts.settled().then(async () => { await leases.release(released) })).catch(() => {})
}
