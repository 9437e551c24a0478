import { SweptMap } from '../collections/swept-map.js'
import { SessionGroup } from './session-group.js'
import type { Session } from './session.js'

const NONE: Iterable<Session> = []

/** Open connections by a name that some or all of them have: who is to be found by it is found without a walk over all. */
export class NamedSessions {
  private readonly groups = new SweptMap((name) => new SessionGroup(name))

  /** Null: it has no such name, and is not here. */
  add (name: string | null, session: Session): void {
    if (name !== null) this.groups.open(name).add(session)
  }

  remove (name: string | null, session: Session): void {
    const group = name === null ? undefined : this.groups.get(name)
    if (group?.remove(session) === true && group.size === 0) this.groups.noteEmpty()
  }

  countOf (name: string): number { return this.groups.get(name)?.size ?? 0 }

  /** The earliest of this name. */
  firstOf (name: string): Session | undefined {
    const [first] = this.of(name)
    return first
  }

  /** Those of this name, the earliest first. One may be removed while they are visited. */
  of (name: string): Iterable<Session> { return this.groups.get(name)?.members() ?? NONE }
}
