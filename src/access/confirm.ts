import { isId } from './id-shapes.js'

/** Only what was asked for counts, whatever a back end sends; of a list, what a client could ask for and a topic could carry. */
export function confirm (asked: readonly string[] | '*', found: readonly string[]): readonly string[] {
  if (asked === '*') return found.filter(isId)
  const names = new Set(found)
  return asked.filter((id) => names.has(id))
}
