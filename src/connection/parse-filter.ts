import { ID_PATTERN } from '../wire/ids.js'

const ID = new RegExp(ID_PATTERN)

/** Ids without duplicates, or `'*'`: all that this user may see now. */
export type Filter = readonly string[] | '*'

/** Why a filter list cannot be read. */
export interface FilterError { readonly error: string }

/** Checks a list of ids: each well-formed, at most `maxIds` after removing duplicates, `*` only alone. */
export function checkFilter (name: string, entries: readonly string[], maxIds: number): Filter | FilterError {
  const ids = new Set(entries)
  if (ids.has('*')) return ids.size === 1 ? '*' : { error: `${name}: * stands alone` }
  for (const id of ids) {
    if (!ID.test(id)) return { error: `${name}: each entry is 1 to 128 of A-Z a-z 0-9 . _ : -` }
  }
  if (ids.size > maxIds) return { error: `${name}: at most ${maxIds} ids` }
  return [...ids]
}

/** Reads a comma list as it stands (decoded) in the query. */
export function parseFilter (name: string, text: string, maxIds: number): Filter | FilterError {
  // Bounded before it is split: a list of commas must not become an array of a hundred thousand.
  if (text.length > maxIds * 129 * 2) return { error: `${name}: at most ${maxIds} ids` }
  return checkFilter(name, text.split(','), maxIds)
}

export function isFilterError (filter: Filter | FilterError): filter is FilterError {
  return typeof filter === 'object' && 'error' in filter
}

/** The event types that a filter lets through; null: all. */
export function eventTypeSet (filter: Filter | null): ReadonlySet<string> | null {
  return filter === null || filter === '*' ? null : new Set(filter)
}
