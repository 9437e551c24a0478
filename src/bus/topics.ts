import { isKind, type Kind } from '../kinds.js'
import { encodeId } from '../redis/encode-id.js'
import { topicChannelPrefix } from '../redis/keys.js'

/** What events are about: a resource of some kind, or everything that concerns one user. */
export type TopicKind = Kind['kind'] | 'user'

export interface Topic {
  readonly kind: TopicKind
  readonly id: string
}

/** Ids of every kind. A user id may hold anything and is `<issuer name>:<sub>` at its longest. */
const RESOURCE_ID = /^[A-Za-z0-9._:-]{1,128}$/
const MAX_USER_ID_LENGTH = 512
const LONE_SURROGATE = /\p{Surrogate}/u

/** Writes a topic as the client and the bus know it: `<kind>:<id>` or `user:<user_id>`. */
export function formatTopic (kind: TopicKind, id: string): string {
  return `${kind}:${id}`
}

/** The own topic of a user; null: a name of this length has none. Each upgrade asks: so it is not made first, to be read then. */
export function userTopic (userId: string): string | null {
  return userId.length > 0 && userId.length <= MAX_USER_ID_LENGTH ? formatTopic('user', userId) : null
}

/** Reads a topic; null when it is none that events may be published to. */
export function parseTopic (text: string): Topic | null {
  const colon = text.indexOf(':')
  const kind = text.slice(0, Math.max(colon, 0))
  const id = text.slice(colon + 1)
  if (isKind(kind)) return RESOURCE_ID.test(id) ? { kind, id } : null
  return kind === 'user' && id.length > 0 && id.length <= MAX_USER_ID_LENGTH ? { kind, id } : null
}

/** The same text with lower-case hex, as some libraries percent-encode. */
const toLowerHex = (encoded: string): string => encoded.replace(/%[0-9A-F]{2}/g, octet => octet.toLowerCase())

/**
 * The channels that carry a topic: first the documented spelling, on which Portcullis publishes. A back end that spells another
 * way would publish to nobody and never know, so the ways of common libraries are heard too, where they differ: raw, as
 * `encodeURIComponent` does it (`!~*'()` stay), and each with lower-case hex. Most ids have one spelling or two. An id with a
 * `%` has no raw one: a user who is called `a%3Ab` would hear the channel of the user `a:b`.
 */
export function channelsOf (topic: string, prefix: string): readonly string[] {
  const parsed = parseTopic(topic)
  if (parsed === null) throw new TypeError('not a topic')
  const base = topicChannelPrefix(prefix, parsed.kind)
  const encoded = encodeId(parsed.id)
  if (encoded === parsed.id) return [base + encoded]
  const spellings = [encoded, toLowerHex(encoded)]
  if (!LONE_SURROGATE.test(parsed.id)) {
    const component = encodeURIComponent(parsed.id)
    spellings.push(component, toLowerHex(component))
    if (!parsed.id.includes('%')) spellings.push(parsed.id)
  }
  return [...new Set(spellings)].map(spelling => base + spelling)
}
