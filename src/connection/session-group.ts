import { SmallSet } from '../collections/one-or-several.js'
import type { Session } from './session.js'

/** The connections that have something in common: a user, a topic. Most groups hold one. */
export class SessionGroup extends SmallSet<Session> {
  /** `name`: what they have in common. Keeping this text instead of an equal one keeps one text for all. */
  constructor (readonly name: string) { super() }
}
