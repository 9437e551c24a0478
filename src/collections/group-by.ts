/** The items in groups of those that have the same key; the groups, and the items of each, as they come. */
export function groupBy<T> (items: readonly T[], keyOf: (item: T) => unknown): Array<readonly T[]> {
  const groups = new Map<unknown, T[]>()
  for (const item of items) {
    const key = keyOf(item)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [item])
    else group.push(item)
  }
  return [...groups.values()]
}
