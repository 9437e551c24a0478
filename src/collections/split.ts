/** The items in parts of at most `size`; no part when there are none. */
export function split<T> (items: readonly T[], size: number): Array<readonly T[]> {
  if (items.length > 0 && items.length <= size) return [items]
  const parts: T[][] = []
  for (let i = 0; i < items.length; i += size) parts.push(items.slice(i, i + size))
  return parts
}
