/**
 * The things for which a rule does not hold, asked one after the other: `t.same(await offenders(things, rule), [])` is one
 * assertion that names each of them.
 */
export async function offenders<T> (things: Iterable<T>, holds: (thing: T) => boolean | Promise<boolean>): Promise<T[]> {
  const found: T[] = []
  for (const thing of things) if (!await holds(thing)) found.push(thing)
  return found
}
