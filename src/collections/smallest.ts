/**
 * The `limit` smallest of many items by their keys (UTF-16 order), in order. Sorts a few at a time: sorting all of a
 * process's connections would hold it up.
 */
export function smallest<T> (items: Iterable<T>, limit: number, keyOf: (item: T) => string): T[] {
  const compare = (a: T, b: T): number => keyOf(a) < keyOf(b) ? -1 : 1
  let kept: T[] = []
  let ceiling: string | null = null
  for (const item of items) {
    if (ceiling !== null && keyOf(item) >= ceiling) continue
    kept.push(item)
    if (kept.length < 2 * limit) continue
    kept = kept.sort(compare).slice(0, limit)
    const last = kept.at(-1)
    ceiling = last === undefined ? null : keyOf(last)
  }
  return kept.sort(compare).slice(0, limit)
}
