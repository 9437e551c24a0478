import type { Session } from './session.js'

/**
 * Connections in no order, in an array in which each knows its place. Not a Set: under much coming and going the tables that
 * a Set outgrows point on to the next ones, and one that has grown old keeps all that came later from the scavenger.
 */
export class SessionList implements Iterable<Session> {
  private readonly sessions: Session[] = []

  /** `place`: the field of a session that holds its place here. A session is in one list at most for each such field. */
  constructor (private readonly place: 'bucketPlace' | 'wheelPlace') {}

  get size (): number { return this.sessions.length }

  add (session: Session): void {
    session[this.place] = this.sessions.length
    this.sessions.push(session)
  }

  /** False when it is not here. */
  remove (session: Session): boolean {
    const place = session[this.place]
    if (this.sessions[place] !== session) return false
    const last = this.sessions.pop()
    if (last !== undefined && last !== session) {
      this.sessions[place] = last
      last[this.place] = place
    }
    session[this.place] = -1
    return true
  }

  /** From the last to the first: the one just met may be removed, and the rest is still met. */
  * [Symbol.iterator] (): Generator<Session, void> {
    for (let place = this.sessions.length - 1; place >= 0; place--) {
      const session = this.sessions[place]
      if (session !== undefined) yield session
    }
  }
}
