import type { Session } from './session.js'

/** The connections with one token: one question serves them all. */
export interface TokenGroup {
  readonly token: string
  readonly issuer: string
  readonly sessions: Set<Session>
  /** When the answer was asked for that counts now, steady, in ms. */
  askedAtMs: number
  dueAtMs: number
  /** Since when questions are without an answer; null: the last one had one. */
  awaySinceMs: number | null
  asking: boolean
}

/** The open connections by their tokens. It holds each different token once, and nothing for one without a connection. */
export class TokenGroups {
  private readonly byToken = new Map<string, TokenGroup>()
  private readonly bySession = new Map<Session, TokenGroup>()

  /** `times`: of a token that comes. */
  constructor (private readonly times: (token: string) => Pick<TokenGroup, 'askedAtMs' | 'dueAtMs'>) {}

  add (session: Session, token: string): void {
    const group = this.byToken.get(token) ?? this.open(token, session.identity.issuer)
    group.sessions.add(session)
    this.bySession.set(session, group)
  }

  remove (session: Session): void {
    const group = this.bySession.get(session)
    this.bySession.delete(session)
    group?.sessions.delete(session)
    // After an end another group may stand there, of one that has just opened.
    if (group?.sessions.size === 0 && this.byToken.get(group.token) === group) this.byToken.delete(group.token)
  }

  /** Its connections end: one that opens with the same token meanwhile is asked about anew. */
  drop (group: TokenGroup): void { this.byToken.delete(group.token) }

  all (): Iterable<TokenGroup> { return this.byToken.values() }

  private open (text: string, issuer: string): TokenGroup {
    // As cut out of the request it would keep the whole of it.
    const token = Buffer.from(text).toString()
    const group = { token, issuer, sessions: new Set<Session>(), ...this.times(token), awaySinceMs: null, asking: false }
    this.byToken.set(token, group)
    return group
  }
}
