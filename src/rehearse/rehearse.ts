import { isListed, type ClientAddress } from '../address/client-address.js'
import type { RehearsalSettings } from '../config/read-rehearsal-settings.js'
import { leaseOwner } from '../connection/lease-record.js'
import type { Lease } from '../limits/limiter.js'
import { createMemoryLimiter } from '../limits/memory/limiter.js'
import type { AuditLine } from './audit-line.js'
import { createTally, type Tally } from './tally.js'

/** What became of one limit: `refused` in the log, `wouldRefuse` with the other limits; and whom that concerns. */
export interface LimitOutcome {
  refused: number
  wouldRefuse: number
  /** Refused in the log, and let in by this limit now. */
  readonly letIn: Tally
  /** Let in in the log, and refused by this limit now. */
  readonly keptOut: Tally
}

export interface Rehearsal {
  readonly address: LimitOutcome
  readonly user: LimitOutcome
  /** `keptOut`: connections that cannot have kept to the limit; there may be more. */
  readonly messages: Omit<LimitOutcome, 'wouldRefuse' | 'letIn'>
  /** Attempts that were held back in the log, as it was flooded, and are told in sums. */
  sampled: number
  /** Refusals of a dry run, which let them in. */
  dryRun: number
  /** Connections that were let in now and not then: for how long they would have stayed is guessed. */
  guessed: number
  readonly from: number | null
  readonly to: number | null
}

export interface Rehearser {
  /** Takes the next line; times may not be far before those of earlier lines. */
  take (line: AuditLine): Promise<void>
  readonly result: Rehearsal
}

type Refused = Extract<AuditLine, { kind: 'refused' }>
type Accepted = Extract<AuditLine, { kind: 'accepted' }>
type Closed = Extract<AuditLine, { kind: 'closed' }>

/** Refusals before the address's window is asked: these never counted. */
const BEFORE_THE_WINDOW: ReadonlySet<string> = new Set(['bad_request', 'not_found', 'upgrade_required', 'overloaded', 'restarting', 'banned'])
const EARLY_DETAILS: ReadonlySet<string> = new Set(['origin', 'host'])
/** A connection stays until the log says that it closed. */
const FOR_EVER = Number.MAX_SAFE_INTEGER

function countsInWindow ({ reason, detail, isDryRun }: Refused): boolean {
  return !isDryRun && !BEFORE_THE_WINDOW.has(reason) && !(reason === 'forbidden' && EARLY_DETAILS.has(detail))
}

const createOutcome = (): LimitOutcome => ({ refused: 0, wouldRefuse: 0, letIn: createTally(), keptOut: createTally() })

const createCounts = () => ({
  address: createOutcome(),
  user: createOutcome(),
  messages: { refused: 0, keptOut: createTally() },
  sampled: 0,
  dryRun: 0,
  guessed: 0
})

/** Makes what plays the attempts of a log against other limits, by the arithmetic of the limiter itself, on the log's own time. */
export function createRehearser (settings: RehearsalSettings): Rehearser {
  const { allowList } = settings
  let nowMs = 0
  let fromMs: number | null = null
  const limiter = createMemoryLimiter({ ...settings, leaseMs: FOR_EVER }, { now: () => nowMs })
  const open = new Map<string, Lease>()
  const stays = createStays()
  const result = {
    ...createCounts(),
    get from () { return fromMs },
    get to () { return fromMs === null ? null : nowMs }
  }
  const isExempt = (address: ClientAddress): boolean => allowList !== null && isListed(address, allowList)
  const countedAddress = (address: ClientAddress): string | null => isExempt(address) ? null : address.key

  async function takeAccepted ({ address, connectionId, userId, insecure }: Accepted): Promise<void> {
    const lease = { owner: leaseOwner({ userId, insecure }, address), connectionId }
    const admission = await limiter.admit({ address: countedAddress(address), lease })
    if (admission.admitted) open.set(connectionId, lease)
    else noteKeptOut(result[admission.limit], admission.limit === 'address' ? address.key : userId)
  }

  async function takeRefused (line: Refused): Promise<void> {
    const { address, reason, userId, insecure, times } = line
    if (line.isDryRun) result.dryRun += times
    if (!countsInWindow(line)) return
    result.sampled += times - 1
    const limit = reason === 'ip_rate_limited' ? result.address : reason === 'user_connection_limit' ? result.user : null
    if (limit !== null) limit.refused += times
    const owner = reason === 'user_connection_limit' && userId !== null ? leaseOwner({ userId, insecure }, address) : null
    for (let i = 0; i < times; i++) {
      const lease = owner === null ? null : { owner, connectionId: `let in ${result.guessed}` }
      const admission = await limiter.admit({ address: countedAddress(address), lease })
      if (!admission.admitted) {
        // The others came in the same moment.
        result[admission.limit].wouldRefuse += times - i
        return
      }
      limit?.letIn.add(owner === null ? address.key : userId ?? '', 1)
      if (lease === null) continue
      result.guessed++
      stays.begin(lease, nowMs)
    }
  }

  function takeClosed ({ connectionId, durationMs, messagesIn, address }: Closed): void {
    const lease = open.get(connectionId)
    open.delete(connectionId)
    if (lease !== undefined) limiter.release(lease)
    if (durationMs !== null) stays.noteStay(durationMs)
    if (isExempt(address) || messagesIn === null || !cannotHaveKept(settings, messagesIn, durationMs)) return
    result.messages.keptOut.add(address.key, 1)
  }

  return {
    result,
    async take (line) {
      fromMs ??= line.atMs
      nowMs = Math.max(nowMs, line.atMs)
      for (const lease of stays.ended(nowMs)) limiter.release(lease)
      if (line.kind === 'accepted') await takeAccepted(line)
      else if (line.kind === 'refused') await takeRefused(line)
      else if (line.kind === 'closed') takeClosed(line)
      else result.messages.refused += line.times
    }
  }
}

function noteKeptOut (outcome: LimitOutcome, name: string): void {
  outcome.wouldRefuse++
  outcome.keptOut.add(name, 1)
}

/** In some window there were as many messages as on average, however they were spread. */
function cannotHaveKept ({ messages, messageWindowMs }: RehearsalSettings, messagesIn: number, durationMs: number | null): boolean {
  return messagesIn > messages * Math.max(1, Math.ceil((durationMs ?? Infinity) / messageWindowMs))
}

/** How long connections stay that were refused in the log: as long as those before them, on average. */
function createStays () {
  const staying: Array<{ readonly lease: Lease, readonly endsAtMs: number }> = []
  let count = 0
  let sumMs = 0
  return {
    noteStay (durationMs: number): void {
      count++
      sumMs += durationMs
    },
    begin (lease: Lease, nowMs: number): void {
      staying.push({ lease, endsAtMs: nowMs + (count === 0 ? 0 : sumMs / count) })
    },
    /** Those whose time is over, which are forgotten. */
    ended (nowMs: number): Lease[] {
      const ended: Lease[] = []
      while (staying[0] !== undefined && staying[0].endsAtMs <= nowMs) ended.push(...staying.splice(0, 1).map(({ lease }) => lease))
      return ended
    }
  }
}
