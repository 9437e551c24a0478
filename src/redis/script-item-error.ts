/**
 * Redis answered a script, and could not do the part of one item: a value of another type at one user's key, a right that is
 * missing. The other items of the call were done.
 */
export class ScriptItemError extends Error {
  override readonly name = 'ScriptItemError'

  /** `text`: what Redis said; `keys`: those that the item touches. */
  constructor (readonly script: string, text: string, readonly keys: readonly string[]) {
    super(text)
  }
}
