import type { Session } from './session.js'

const NOBODY: readonly Session[] = []

/**
 * The connections that have something in common: a user, a topic. Most groups hold one, and a Set costs 150 bytes and
 * more, so the second makes it.
 */
export class SessionGroup {
  private only: Session | null = null
  private several: Set<Session> | null = null

  /** `name`: what they have in common. A member that keeps this text instead of an equal one of its own saves the second copy. */
  constructor (readonly name: string) {}

  get size (): number { return this.several?.size ?? (this.only === null ? 0 : 1) }

  /** All of them. Removing some meanwhile is allowed, and they are not met any more. */
  members (): Iterable<Session> { return this.several ?? (this.only === null ? NOBODY : [this.only]) }

  add (session: Session): void {
    if (this.several !== null) {
      this.several.add(session)
    } else if (this.only === null || this.only === session) {
      this.only = session
    } else {
      this.several = new Set([this.only, session])
      this.only = null
    }
  }

  remove (session: Session): void {
    if (this.only === session) this.only = null
    else this.several?.delete(session)
  }
}
