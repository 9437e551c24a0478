import { KINDS, type Kind } from '../kinds.js'

/** The parameters that mean something besides the lists of ids; all others are ignored. */
const OTHERS = ['token', 'event_types', 'refuse', 'resume', 'since', 'ticket'] as const
export type QueryName = Kind['list'] | typeof OTHERS[number]
export type Query = ReadonlyMap<QueryName, string>

const KNOWN: ReadonlySet<string> = new Set<QueryName>([...KINDS.map(({ list }) => list), ...OTHERS])
const isKnown = (name: string): name is QueryName => KNOWN.has(name)

/** Null for a broken percent escape. */
function decode (text: string): string | null {
  try {
    return text.includes('%') ? decodeURIComponent(text) : text
  } catch {
    return null
  }
}

/**
 * Reads the raw query. Pairs are split before anything is decoded, so an encoded `&` or `=` inside a value stays there.
 * Returns what is wrong for a broken escape in, or two different values of, a parameter that we know; `resume`, which can
 * only help, is empty then.
 */
export function parseQuery (raw: string): Query | { readonly error: string } {
  const query = new Map<QueryName, string>()
  if (raw === '') return query
  for (const pair of raw.split('&')) {
    const equals = pair.indexOf('=')
    const name = equals === -1 ? pair : pair.slice(0, equals)
    if (!isKnown(name)) continue
    const value = decode(equals === -1 ? '' : pair.slice(equals + 1))
    const before = query.get(name)
    const fault = value === null ? 'broken percent escape' : before !== undefined && before !== value ? 'given twice' : null
    if (fault !== null && name !== 'resume') return { error: `${name}: ${fault}` }
    query.set(name, fault === null ? value ?? '' : '')
  }
  return query
}
