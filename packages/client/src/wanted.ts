import { toChunks, toTopics, type Filters } from './topics.js'
import { starOf, Undecided } from './undecided.js'

interface Listing { readonly agent_ids: readonly string[], readonly task_ids: readonly string[] }

/** What the application listens to, whatever connection there is. */
export interface Wanted {
  add (topics: readonly string[]): void
  remove (filters: Filters): void
  /** These are denied: they are not asked for again. */
  drop (topics: readonly string[]): void
  has (topic: string): boolean
  /** It, or all of its kind. */
  covers (topic: string): boolean
  readonly undecided: Undecided
  /** What the gateway said that is subscribed: only `*` needs it, to take single ids out of it later. */
  confirm (listing: Listing): void
  /** All topics in lists of at most `maxIds` of each kind; `*` covers all of its kind. */
  chunks (maxIds: number): string[][]
}

/** Remembers what is subscribed, so that a new connection can have the same. */
export function createWanted (initial: Filters): Wanted {
  const topics = new Set(toTopics(initial))
  /** What `*` came to. */
  const listed = new Set<string>()
  const ofKind = (set: ReadonlySet<string>, kind: string): string[] => [...set].filter(topic => topic.startsWith(kind))

  /** All but one: from then on it is a list, or the one would be back with the next connection. */
  function openStar (kind: string): void {
    if (!topics.delete(`${kind}*`)) return
    for (const topic of ofKind(listed, kind)) topics.add(topic)
  }
  function removeOne (topic: string): void {
    const kind = topic.slice(0, topic.indexOf(':') + 1)
    if (topic === `${kind}*`) for (const one of ofKind(topics, kind)) topics.delete(one)
    else openStar(kind)
    topics.delete(topic)
    listed.delete(topic)
  }
  return {
    add (confirmed) { for (const topic of confirmed) topics.add(topic) },
    remove (filters) { for (const topic of toTopics(filters)) removeOne(topic) },
    drop (denied) { for (const topic of denied) topics.delete(topic) },
    has: topic => topics.has(topic),
    covers: topic => topics.has(topic) || topics.has(starOf(topic)),
    undecided: new Undecided(),
    confirm (listing) {
      for (const [kind, ids] of [['agent:', listing.agent_ids], ['task:', listing.task_ids]] as const) {
        if (topics.has(`${kind}*`)) for (const id of ids) listed.add(kind + id)
      }
    },
    chunks: maxIds => toChunks([...topics], maxIds)
  }
}
