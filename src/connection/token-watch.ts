import { atMostLongestTimer } from '../longest-timer.js'
import type { Timers } from '../timers.js'
import type { TokenStanding } from '../tokens/token-standing.js'
import type { Session } from './session.js'

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

/** The connections with one token: one question serves them all. */
interface TokenGroup {
  readonly token: string
  readonly issuer: string
  readonly sessions: Set<Session>
  /** When the answer was asked for that counts now. */
  askedAtMs: number
  dueAtMs: number
  /** Since when questions are without an answer; null: the last one had one. */
  awaySinceMs: number | null
  asking: boolean
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

/** Makes the watch of one process. It holds a token for each different one of the open connections, and nothing beside. */
export function createTokenWatch (deps: TokenWatchDeps): TokenWatch {
  const { standing, maxAwayMs, onInactive, onAway, onLate, now, timers, random } = deps
  const { countsMs } = standing
  const byToken = new Map<string, TokenGroup>()
  const bySession = new Map<Session, TokenGroup>()
  const tickMs = atMostLongestTimer(Math.max(MIN_TICK_MS, countsMs / TICK_PARTS))
  let cancel: (() => void) | null = null

  const between = ([least, most]: readonly [number, number]): number => countsMs * (least + (most - least) * random())

  function open (text: string, issuer: string): TokenGroup {
    // As cut out of the request it would keep the whole of it.
    const token = Buffer.from(text).toString()
    const known = standing.askedAtMs(token)
    const askedAtMs = known ?? now()
    const dueAtMs = known === null ? askedAtMs : askedAtMs + between(FIRST_BETWEEN)
    const group = { token, issuer, sessions: new Set<Session>(), askedAtMs, dueAtMs, awaySinceMs: null, asking: false }
    byToken.set(token, group)
    return group
  }

  function letGo (session: Session): void {
    const group = bySession.get(session)
    bySession.delete(session)
    group?.sessions.delete(session)
    // After an end another group may stand there, of one that has just opened.
    if (group?.sessions.size === 0 && byToken.get(group.token) === group) byToken.delete(group.token)
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

  /** One that opens with the same token while these end is asked about anew. */
  function endAll (group: TokenGroup, end: (session: Session) => void): void {
    byToken.delete(group.token)
    for (const session of [...group.sessions]) end(session)
  }

  function tick (): void {
    cancel = timers.after(tickMs, tick)
    const nowMs = now()
    let lateMs = 0
    for (const group of byToken.values()) {
      if (group.awaySinceMs === null) lateMs = Math.max(lateMs, nowMs - group.askedAtMs - countsMs)
      if (!group.asking && group.dueAtMs <= nowMs) void ask(group)
    }
    if (lateMs > tickMs) onLate(lateMs)
  }

  return {
    start () { cancel ??= timers.after(tickMs, tick) },
    hold (session, token) {
      letGo(session)
      const { issuer, insecure } = session.identity
      if (insecure || !standing.covers(issuer)) return
      const group = byToken.get(token) ?? open(token, issuer)
      group.sessions.add(session)
      bySession.set(session, group)
    },
    letGo,
    lateMs () {
      let oldestMs = now() - countsMs
      for (const { askedAtMs } of byToken.values()) oldestMs = Math.min(oldestMs, askedAtMs)
      return now() - countsMs - oldestMs
    },
    stop () { cancel?.() }
  }
}
