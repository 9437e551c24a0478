import { formatTopic } from '../bus/topics.js'
import { KINDS, type ByKind, type Kind } from '../kinds.js'
import type { Filters, Granted } from './authorize.js'
import type { Filter } from './parse-filter.js'

/** A user's own topic: nobody asks for it, and no right is needed. */
export const isPersonal = (topic: string): boolean => topic.startsWith('user:')

/** The topics of ids, kind after kind. */
export function topicsOf (ids: Granted): string[] {
  return KINDS.flatMap(({ kind, claim }) => ids[claim].map(id => formatTopic(kind, id)))
}

/** The topics that filters name; `*` names none. */
export function namedTopics (filters: Filters): string[] {
  const namesOf = (filter: Filter | null): readonly string[] => filter === null || filter === '*' ? [] : filter
  return KINDS.flatMap(({ kind, claim }) => namesOf(filters[claim]).map(id => formatTopic(kind, id)))
}

/** The ids of one kind among topics. */
export function idsIn (topics: Iterable<string>, { kind }: Kind): string[] {
  const prefix = formatTopic(kind, '')
  return [...topics].filter(topic => topic.startsWith(prefix)).map(topic => topic.slice(prefix.length))
}

/** How many ids there are of all kinds together. */
export function countIds (ids: ByKind<readonly string[]>): number {
  return KINDS.reduce((count, { claim }) => count + ids[claim].length, 0)
}
