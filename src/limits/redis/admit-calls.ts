import { channelsOf } from '../../bus/topics.js'
import type { HeadAnswer, HeadQuestion, HistorySettings } from '../../history/history.js'
import { loadHistoryScript } from '../../history/publish-script.js'
import { readHeadAnswer } from '../../history/script-replies.js'
import { steadyNow } from '../../clocks.js'
import { classifyFailure, isAway } from '../../redis/failure.js'
import { historyKey, type LimitKeys } from '../../redis/keys.js'
import { joinIds } from './lease-calls.js'
import { USER_RETRY_AFTER_MS, type Admission, type Admit, type Lease, type LimitSettings, type Resume } from '../limiter.js'
import { readBatch } from '../../redis/lua-reply.js'
import type { LuaScript, RunScript } from '../../redis/lua-script.js'
import { ScriptItemError } from '../../redis/script-item-error.js'
import { loadAdmitScript, RECORDS_KEPT_MS } from './scripts.js'

/** An attempt that waits for its answer. */
export interface PendingAdmit {
  readonly request: Admit
  readonly resolve: (admission: Admission) => void
  readonly reject: (error: unknown) => void
}

/**
 * Gives leases back, then answers attempts; one that goes wrong by itself is rejected alone. Rejects when the call fails, or
 * when what went wrong says that Redis is away; the attempts have been told the same.
 */
export type JointAdmitCall = (released: readonly Lease[], attempts: readonly PendingAdmit[]) => Promise<void>

/** Answers attempts, each by itself. */
export type SeparateAdmitCalls = (attempts: readonly PendingAdmit[]) => void

/** What is needed to read users' own topics beside the limits. */
export interface TopicReading {
  /** Before the keys of topics. */
  readonly prefix: string
  /** The name under which this process hears users' own topics; null: it subscribes to each of them. */
  readonly process: string | null
  readonly settings: HistorySettings
}

export interface AdmitCallOptions {
  readonly run: RunScript
  readonly keys: LimitKeys
  readonly settings: LimitSettings
  /** How much is remembered of topics; null: none are read. */
  readonly history: TopicReading | null
  /** The key of the records that go along with the leases; null: none do. */
  readonly recordsKey: string | null
  /** Called with every lease that may have been taken for an attempt that is not admitted. */
  readonly undo: (lease: Lease) => void
  /** Called with what went wrong beside the attempts: a release, the records. */
  readonly onFailure: (error: unknown) => void
}

const NO_HISTORY: HistorySettings = { events: new Map(), keepMs: 1, maxBytes: 1, metaMs: 1 }
/** To the scripts: a process that needs no note of its own. */
const SOMEBODY = 1
const ADMITTED: Admission = { admitted: true }
/** Topics are left out for this time once this user of Redis had no right to them, in ms. */
const DENIED_MS = 25_000
const NO_SLOT: Admission = { admitted: false, limit: 'user', retryAfterMs: USER_RETRY_AFTER_MS }

/** Decides all in one call of `admit.lua`, for a single Redis. */
export function createJointAdmitCall (options: AdmitCallOptions): JointAdmitCall {
  const { run, keys, settings, recordsKey, history, undo, onFailure } = options
  const script = loadAdmitScript(settings, { recordsKeptMs: recordsKey === null ? 0 : RECORDS_KEPT_MS, history: history?.settings ?? null })
  let deniedUntilMs = -Infinity

  async function ask (released: readonly Lease[], attempts: readonly PendingAdmit[], topics: TopicReading | null): Promise<Batch> {
    const { keyList, args } = toCall({ keys, recordsKey, topics }, released, attempts)
    return readBatch(await run(script, keyList, args), script.name, attempts.length, keyList)
  }

  /** A call with one key that is denied is denied whole: a user of Redis without a right to topics must not keep everybody out. */
  async function askLessDenied (released: readonly Lease[], attempts: readonly PendingAdmit[]): Promise<Batch> {
    const topics = steadyNow() < deniedUntilMs || !attempts.some(({ request: { own } }) => own) ? null : history
    try {
      return await ask(released, attempts, topics)
    } catch (error) {
      if (topics === null || classifyFailure(error).kind !== 'denied') throw error
      deniedUntilMs = steadyNow() + DENIED_MS
      onFailure(error)
      return await ask(released, attempts, null)
    }
  }

  return (released, attempts) => {
    const refuseOne = ({ request: { lease }, reject }: PendingAdmit, error: unknown): void => {
      // The script may have run all the same, and only its answer is lost.
      if (lease !== null) undo(lease)
      reject(error)
    }
    return askLessDenied(released, attempts).then(({ answers, failures }) => {
      let away: ScriptItemError | undefined
      for (const [i, attempt] of attempts.entries()) {
        const verdict = answers[i] ?? 'no answer to this attempt'
        if (typeof verdict === 'number' || verdict.startsWith('=')) {
          attempt.resolve(typeof verdict === 'number' ? readVerdict(verdict) : { admitted: true, head: readHeadAnswer(verdict.slice(1)) })
          continue
        }
        const error = itemError(script, verdict, attempt, keys)
        if (isAway(error)) away ??= error
        refuseOne(attempt, error)
      }
      for (const failure of failures) onFailure(failure)
      if (away !== undefined) throw away
    }, (error: unknown) => {
      for (const attempt of attempts) refuseOne(attempt, error)
      throw error
    })
  }
}

/** Decides by one call of `admit.lua` for each key, all sent at once. `keepRecord` is called with the lease of each admitted attempt. */
export function createSeparateAdmitCalls (
  { run, keys, settings, history, undo, keepRecord }: Omit<AdmitCallOptions, 'recordsKey' | 'onFailure'> & { readonly keepRecord: (lease: Lease) => void }
): SeparateAdmitCalls {
  const script = loadAdmitScript(settings, { recordsKeptMs: 0, history: null })
  const heads = loadHistoryScript('read-heads', history?.settings ?? NO_HISTORY)
  const decidePart = async (keyList: readonly string[], args: ReadonlyArray<string | number>): Promise<Admission> => {
    const { answers: [verdict = ''] } = readBatch(await run(script, keyList, ['', '', ...args]), script.name, 1, keyList)
    if (typeof verdict === 'string') throw new ScriptItemError(script.name, verdict, keyList)
    return readVerdict(verdict)
  }
  /** Where it cannot be read nobody is kept out. */
  const readOwn = async (own: HeadQuestion): Promise<HeadAnswer | null> => {
    if (history === null) return null
    const key = historyKeyOf(history.prefix, own.topic)
    const reply = await run(heads, [key], [own.since?.epoch ?? '', own.since?.offset ?? 0, history.process ?? SOMEBODY]).catch(() => null)
    return Array.isArray(reply) ? readHeadAnswer(reply[0]) : null
  }
  const decideAddress = async (address: string, resume: Resume | null): Promise<Admission> => {
    const keyList: string[] = []
    const args: Array<string | number> = [describe(address, resume, null)]
    pushAddress(keyList, args, keys, address, resume)
    return await decidePart(keyList, args)
  }
  const decide = async ({ request: { address, resume = null, lease, own = null }, resolve, reject }: PendingAdmit): Promise<void> => {
    const [byAddress, byUser, head] = await Promise.allSettled([
      address === null ? ADMITTED : decideAddress(address, resume),
      lease === null ? ADMITTED : decidePart([keys.user(lease.owner)], [describe(null, null, lease)]),
      own === null || lease === null ? null : readOwn(own)
    ])
    const admission = firstRefusal(byAddress, byUser)
    const mayHoldLease = byUser.status === 'rejected' || byUser.value.admitted
    if (lease !== null && admission === ADMITTED) keepRecord(lease)
    else if (lease !== null && mayHoldLease) undo(lease)
    if (admission instanceof Error) reject(admission)
    else resolve(admission.admitted && own !== null && head.status === 'fulfilled' ? { admitted: true, head: head.value } : admission)
  }
  return (attempts) => { for (const attempt of attempts) void decide(attempt) }
}

type Batch = ReturnType<typeof readBatch>

interface CallParts extends Pick<AdmitCallOptions, 'keys' | 'recordsKey'> {
  readonly topics: TopicReading | null
}

/** What `admit.lua` is called with; without `topics` no user's own topic is read. */
function toCall (
  { keys, recordsKey, topics }: CallParts, released: readonly Lease[], attempts: readonly PendingAdmit[]
): { readonly keyList: readonly string[], readonly args: ReadonlyArray<string | number> } {
  const keyList = recordsKey === null ? [] : [recordsKey]
  const args: Array<string | number> = [joinIds(released), topics === null ? '' : topics.process ?? SOMEBODY]
  for (const { owner } of released) keyList.push(keys.user(owner))
  for (const { request: { address, resume = null, lease, own = null } } of attempts) {
    const topic = lease === null ? null : own
    args.push(describe(address, resume, lease, { withRecord: recordsKey !== null, topic: topics === null ? null : topic }))
    if (address !== null) pushAddress(keyList, args, keys, address, resume)
    if (lease !== null) keyList.push(keys.user(lease.owner))
    if (topic === null || topics === null) continue
    keyList.push(historyKeyOf(topics.prefix, topic.topic))
    if (topic.since !== null) args.push(topic.since.epoch, topic.since.offset)
  }
  return { keyList, args }
}

const historyKeyOf = (prefix: string, topic: string): string => historyKey(prefix, channelsOf(topic, prefix)[0] ?? '')

interface Beside {
  readonly withRecord: boolean
  readonly topic: HeadQuestion | null
}

function describe (
  address: string | null, resume: Resume | null, lease: Lease | null, { withRecord, topic }: Beside = { withRecord: false, topic: null }
): string {
  if (lease === null) return resume === null ? 'a' : 'A'
  const [alone, both, bothWithPass] = topic === null ? ['u', 'b', 'B'] : topic.since === null ? ['v', 'c', 'C'] : ['w', 'd', 'D']
  const kind = address === null ? alone : resume === null ? both : bothWithPass
  const { connectionId, record = '' } = lease
  return withRecord && record !== '' ? `${kind}${connectionId} ${record}` : kind + connectionId
}

function pushAddress (keyList: string[], args: Array<string | number>, keys: LimitKeys, address: string, resume: Resume | null): void {
  keyList.push(keys.address(address))
  if (resume === null) return
  keyList.push(keys.resume(address, resume.nonce))
  args.push(Math.max(1, Math.ceil(resume.ttlMs)))
}

function itemError (script: LuaScript, text: string, { request: { address, lease } }: PendingAdmit, keys: LimitKeys): ScriptItemError {
  const touched = [...(address === null ? [] : [keys.address(address)]), ...(lease === null ? [] : [keys.user(lease.owner)])]
  return new ScriptItemError(script.name, text, touched)
}

function readVerdict (verdict: number): Admission {
  if (verdict === 0) return ADMITTED
  return verdict < 0 ? NO_SLOT : { admitted: false, limit: 'address', retryAfterMs: verdict }
}

function firstRefusal (...parts: Array<PromiseSettledResult<Admission>>): Admission | Error {
  for (const part of parts) {
    if (part.status === 'rejected') return part.reason instanceof Error ? part.reason : new Error('the limit could not be checked')
    if (!part.value.admitted) return part.value
  }
  return ADMITTED
}
