const CHOICE = new Intl.ListFormat('en-GB', { type: 'disjunction' })
const SUM = new Intl.ListFormat('en-GB', { type: 'conjunction' })

/** Words as prose lists a choice: `a, b or c`. */
export function orList (words: readonly string[]): string {
  return CHOICE.format(words)
}

/** Words as prose lists all of them: `a, b and c`. */
export function andList (words: readonly string[]): string {
  return SUM.format(words)
}
