import { atMostLongestTimer } from '../longest-timer.js'
import type { Timers } from '../timers.js'
import type { TokenStanding } from '../tokens/token-standing.js'
import type { Session } from './session.js'
import { TokenGroups, type TokenGroup } from './token-groups.js'

/** Holds open connections to the word of their tokens' issuers, which are asked again and again. */
export interface TokenWatch {
  start (): void
  /** This token is in force for the connection from now on, and the one before no more. */
  hold (session: Session, token: string): void
  /** The connection has ended. */
  letGo (session: Session): void
  /** By how much the oldest answer has outlived its time, in ms; 0: each still counts. */
  lateMs (): number
  stop (): void
}

export interface TokenWatchDeps {
  readonly standing: TokenStanding
  /** How long connections stay whose issuer gives no answer, in ms from the first question without one. */
  readonly maxAwayMs: number
  /** The issuer calls the token of this connection inactive. */
  readonly onInactive: (session: Session) => void
  /** It has given no answer for too long. */
  readonly onAway: (session: Session) => void
  /** Answers have outlived their time by so much, in ms, though their issuers answer: there are more tokens than questions. */
  readonly onLate: (lateMs: number) => void
  /** Steady, in ms. */
  readonly now: () => number
  readonly timers: Pick<Timers, 'after'>
  /** 0 or more, below 1. */
  readonly random: () => number
}

const TICK_PARTS = 20
const MIN_TICK_MS = 50
/** In parts of the time that an answer counts. A first question comes at any moment between: so connections that came together part. */
const FIRST_BETWEEN = [0.2, 0.8] as const
/** The next ones come late in it, and leave the rest to the tick and to the answer itself. */
const NEXT_BETWEEN = [0.75, 0.85] as const
const RETRY_AFTER = 0.5

/** What stands in for the watch where no issuer is asked. */
export const NO_TOKEN_WATCH: TokenWatch = { start () {}, hold () {}, letGo () {}, lateMs: () => 0, stop () {} }

/** Makes the watch of one process. */
export function createTokenWatch (deps: TokenWatchDeps): TokenWatch {
  const { standing, maxAwayMs, onInactive, onAway, onLate, now, timers, random } = deps
  const { countsMs } = standing
  const groups = new TokenGroups(firstTimes)
  const tickMs = atMostLongestTimer(Math.max(MIN_TICK_MS, countsMs / TICK_PARTS))
  let cancel: (() => void) | null = null

  const between = ([least, most]: readonly [number, number]): number => countsMs * (least + (most - least) * random())

  function firstTimes (token: string): Pick<TokenGroup, 'askedAtMs' | 'dueAtMs'> {
    const known = standing.askedAtMs(token)
    return known === null ? { askedAtMs: now(), dueAtMs: now() } : { askedAtMs: known, dueAtMs: known + between(FIRST_BETWEEN) }
  }

  async function ask (group: TokenGroup): Promise<void> {
    group.asking = true
    const answer = await standing.ask(group.token, group.issuer, group.askedAtMs)
    group.asking = false
    if (answer.kind === 'failed') return answer.fault === 'busy' ? askLater(group) : noteAway(group)
    group.awaySinceMs = null
    if (answer.kind === 'inactive') return endAll(group, onInactive)
    group.askedAtMs = answer.askedAtMs
    group.dueAtMs = answer.askedAtMs + between(NEXT_BETWEEN)
  }

  function noteAway (group: TokenGroup): void {
    group.awaySinceMs ??= now()
    if (now() - group.awaySinceMs >= maxAwayMs) return endAll(group, onAway)
    askLater(group)
    group.dueAtMs = Math.min(group.dueAtMs, group.awaySinceMs + maxAwayMs)
  }

  function askLater (group: TokenGroup): void { group.dueAtMs = now() + countsMs * RETRY_AFTER }

  function endAll (group: TokenGroup, end: (session: Session) => void): void {
    groups.drop(group)
    for (const session of [...group.sessions]) end(session)
  }

  function tick (): void {
    cancel = timers.after(tickMs, tick)
    const nowMs = now()
    let lateMs = 0
    for (const group of groups.all()) {
      if (group.awaySinceMs === null) lateMs = Math.max(lateMs, nowMs - group.askedAtMs - countsMs)
      if (!group.asking && group.dueAtMs <= nowMs) void ask(group)
    }
    if (lateMs > tickMs) onLate(lateMs)
  }

  return {
    start () { cancel ??= timers.after(tickMs, tick) },
    hold (session, token) {
      groups.remove(session)
      if (!session.identity.insecure && standing.covers(session.identity.issuer)) groups.add(session, token)
    },
    letGo (session) { groups.remove(session) },
    lateMs () {
      const goodSinceMs = now() - countsMs
      let oldestMs = goodSinceMs
      for (const { askedAtMs } of groups.all()) oldestMs = Math.min(oldestMs, askedAtMs)
      return goodSinceMs - oldestMs
    },
    stop () { cancel?.() }
  }
}
