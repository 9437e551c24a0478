import { fingerprintClaims } from '../tokens/claims-fingerprint.js'
import type { Session } from './session.js'

/** Connections with the same claims: they have the same rights and are checked as one. */
export interface RightsGroup {
  readonly key: string
  readonly userId: string
  readonly sessions: Set<Session>
  /** When the next check is due, monotonic, in ms. */
  dueAtMs: number
  /** When the last check was asked that was answered, monotonic, in ms. */
  verifiedAtMs: number
  turn: 'none' | 'waiting' | 'checking'
  /** Asked for again while a check was under way, which may have read the old state. */
  again: boolean
  /** Its last check took long. */
  slow: boolean
}

/** The open connections by their claims. */
export class RightsGroups {
  private readonly byKey = new Map<string, RightsGroup>()
  private readonly byUser = new Map<string, Set<RightsGroup>>()
  private readonly bySession = new Map<Session, RightsGroup>()

  /** `now`: monotonic, in ms; `random`: 0 or more, below 1. */
  constructor (private readonly periodMs: number, private readonly now: () => number, private readonly random: () => number) {}

  add (session: Session): RightsGroup {
    const key = fingerprintClaims(session.identity)
    const group = this.byKey.get(key) ?? this.create(key, session.identity.userId)
    this.keep(group)
    group.sessions.add(session)
    this.bySession.set(session, group)
    return group
  }

  remove (session: Session): void {
    const group = this.bySession.get(session)
    this.bySession.delete(session)
    group?.sessions.delete(session)
    if (group?.sessions.size === 0) this.drop(group)
  }

  /** A group of this connection alone, which is checked once and not kept. */
  single (session: Session): RightsGroup {
    const group = this.create('', session.identity.userId)
    group.sessions.add(session)
    return group
  }

  all (): Iterable<RightsGroup> { return this.byKey.values() }

  ofUser (userId: string): Iterable<RightsGroup> { return this.byUser.get(userId) ?? [] }

  private keep (group: RightsGroup): void {
    this.byKey.set(group.key, group)
    const ofUser = this.byUser.get(group.userId)
    if (ofUser === undefined) this.byUser.set(group.userId, new Set([group]))
    else ofUser.add(group)
  }

  private drop (group: RightsGroup): void {
    this.byKey.delete(group.key)
    const ofUser = this.byUser.get(group.userId)
    ofUser?.delete(group)
    if (ofUser?.size === 0) this.byUser.delete(group.userId)
  }

  private create (key: string, userId: string): RightsGroup {
    const nowMs = this.now()
    // A random first date spreads groups that came together, such as after a deploy; no later than one period.
    const dueAtMs = nowMs + this.periodMs * (0.5 + this.random() / 2)
    return { key, userId, sessions: new Set(), dueAtMs, verifiedAtMs: nowMs, turn: 'none', again: false, slow: false }
  }
}
