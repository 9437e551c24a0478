import type { ClientAddress } from '../address/client-address.js'
import { SYSTEM_TIMERS, type Timers } from '../timers.js'
import type { IssuerConfig } from '../tokens/issuer-config.js'
import type { IssuerKeys } from '../tokens/issuer-keys.js'
import type { JudgedStatement, JudgeStatement, StatementFault } from '../tokens/statement.js'
import { createAwaitedKeys, fetchesOf, type Waiting } from './awaited-keys.js'
import type { CarriedOut, CarryOut } from './carry-out.js'
import type { Said } from './said.js'

/**
 * Why a statement did nothing. `crowded_out`: too many wait for keys; `unheard`: the process ended before its key came; `body`: it could
 * not be read.
 */
export interface HearingFault {
  readonly fault: StatementFault['fault'] | 'crowded_out' | 'unheard' | 'body' | 'form' | 'content_type' | 'authorization'
  readonly detail?: string
}

/** What became of a statement, for its answer. */
export type Heard =
  { readonly kind: 'done' } |
  { readonly kind: 'later' } |
  { readonly kind: 'refused', readonly fault: HearingFault['fault'] } |
  { readonly kind: 'limited', readonly retryAfterMs: number }

/** Told of each statement; must not throw. */
export interface HearingReport {
  heard (address: ClientAddress, issuer: string, said: Said, carriedOut: CarriedOut): void
  refused (address: ClientAddress, issuer: string | null, fault: HearingFault): void
  /** It waits for the issuer's keys. */
  kept (address: ClientAddress, issuer: string): void
}

export interface HearingDeps<T> {
  readonly judge: JudgeStatement<T>
  /** What a good statement means. */
  readonly interpret: (statement: T, issuer: IssuerConfig) => Said
  readonly carryOut: CarryOut
  /** Counts an attempt of this address; ms until another one can succeed where it is over its limit, else 0. Never rejects. */
  readonly charge: (address: ClientAddress) => Promise<number>
  readonly report: HearingReport
  /** Wall clock, in ms. */
  readonly now?: () => number
  readonly timers?: Pick<Timers, 'after'>
}

export interface Hearing {
  /** Answers within a second. Never rejects. */
  hear (token: string, address: ClientAddress): Promise<Heard>
  /** Refuses what is no statement at all, at the price of a bad one. */
  refuse (address: ClientAddress, fault: HearingFault): Promise<Heard>
  /** How many wait for a key. */
  readonly waiting: number
  close (): void
}

/** The answer comes by then, whatever is still under way. */
const ANSWER_MS = 850
const KEYS_MS = 450

/** Waits for the work at most this long, and answers `late` then; the work goes on. */
async function settleWithin<R> (work: Promise<R>, ms: number, late: R, timers: Pick<Timers, 'after'>): Promise<R> {
  let cancel = (): void => {}
  const limit = new Promise<R>((resolve) => { cancel = timers.after(ms, () => { resolve(late) }) })
  return await Promise.race([work, limit]).finally(() => { cancel() })
}

/** Makes what hears one kind of statements: an issuer says it once, so that what is good counts, whatever is away at that moment. */
export function createHearing<T> (deps: HearingDeps<T>): Hearing {
  const { judge, interpret, carryOut, charge, report, now = Date.now, timers = SYSTEM_TIMERS } = deps
  const awaited = createAwaitedKeys({
    judgeAgain,
    onDropped ({ address, keys, missed }, why) {
      // One that was missed was refused then.
      if (!missed) report.refused(address, keys.config.name, { fault: why })
    },
    now,
    timers
  })

  async function refuse (address: ClientAddress, issuer: string | null, fault: HearingFault): Promise<Heard> {
    report.refused(address, issuer, fault)
    const retryAfterMs = await charge(address)
    return retryAfterMs > 0 ? { kind: 'limited', retryAfterMs } : { kind: 'refused', fault: fault.fault }
  }

  async function settle (judged: Exclude<JudgedStatement<T>, { kind: 'no_key' }>, address: ClientAddress): Promise<Heard> {
    const { issuer } = judged
    if (judged.kind === 'fault') return await refuse(address, issuer?.name ?? null, judged.fault)
    const said = interpret(judged.statement, judged.issuer)
    const carriedOut = await carryOut(said, judged.issuer.name)
    report.heard(address, judged.issuer.name, said, carriedOut)
    return carriedOut === 'held' ? { kind: 'later' } : { kind: 'done' }
  }

  /** Its key is not at hand: asks the issuer, and keeps the statement whatever comes of it. */
  async function awaitKey (token: string, address: ClientAddress, keys: IssuerKeys, arrivedAtMs: number): Promise<Heard> {
    const fetching = keys.source.hurry()
    if (fetching !== null) await settleWithin(fetching, KEYS_MS, undefined, timers)
    const judged = judge(token, arrivedAtMs)
    if (judged.kind !== 'no_key') return await settle(judged, address)
    const missed = keys.source.isFrom(arrivedAtMs)
    awaited.add({ token, address, keys, arrivedAtMs, fetchesSeen: fetchesOf(keys), missed })
    if (missed) return await refuse(address, keys.config.name, { fault: 'unknown_key' })
    report.kept(address, keys.config.name)
    // A fetch that takes longer than the answer may is looked at as it ends.
    if (fetching !== null) void fetching.then(awaited.look)
    return { kind: 'later' }
  }

  /** Its times are held against the moment at which it came: what ends while its key is fetched was told in time, and only once. */
  function judgeAgain (statement: Waiting): boolean {
    const { token, address, keys, arrivedAtMs } = statement
    const judged = judge(token, arrivedAtMs)
    if (judged.kind !== 'no_key') {
      void settle(judged, address)
      return true
    }
    // Keys that were asked for before it came say nothing of a key that its issuer has made since.
    if (statement.missed || !keys.source.isFrom(arrivedAtMs)) return false
    statement.missed = true
    void refuse(address, keys.config.name, { fault: 'unknown_key' })
    return false
  }

  return {
    async hear (token, address) {
      const arrivedAtMs = now()
      const judged = judge(token, arrivedAtMs)
      const work = judged.kind === 'no_key' ? awaitKey(token, address, judged.keys, arrivedAtMs) : settle(judged, address)
      return await settleWithin<Heard>(work, ANSWER_MS, { kind: 'later' }, timers)
    },
    refuse: async (address, fault) => await refuse(address, null, fault),
    get waiting () { return awaited.size },
    close: awaited.close
  }
}
