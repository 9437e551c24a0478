/** The parameters that mean something; all others are ignored. */
const KNOWN = ['token', 'agent_ids', 'task_ids', 'event_types', 'refuse', 'resume'] as const
export type QueryName = typeof KNOWN[number]
export type Query = ReadonlyMap<QueryName, string>

const isKnown = (name: string): name is QueryName => (KNOWN as readonly string[]).includes(name)

/**
 * Reads the raw query. Pairs are split before anything is decoded, so an encoded `&` or `=` inside a value stays there.
 * Returns what is wrong for a broken escape in, or two different values of, a parameter that we know.
 */
export function parseQuery (raw: string): Query | { readonly error: string } {
  const query = new Map<QueryName, string>()
  if (raw === '') return query
  for (const pair of raw.split('&')) {
    const equals = pair.indexOf('=')
    const name = equals === -1 ? pair : pair.slice(0, equals)
    if (!isKnown(name)) continue
    const text = equals === -1 ? '' : pair.slice(equals + 1)
    let value: string
    try {
      value = text.includes('%') ? decodeURIComponent(text) : text
    } catch {
      return { error: `${name}: broken percent escape` }
    }
    const before = query.get(name)
    if (before !== undefined && before !== value) return { error: `${name}: given twice` }
    query.set(name, value)
  }
  return query
}
