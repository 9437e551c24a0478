/** Least number of entries that must have become empty before a sweep, however few are in use. */
const MIN_EMPTIED = 8192

/**
 * Values by name that become empty and are often filled again soon, such as what one user holds. Empty ones stay for a while:
 * a Map that is added to and deleted from at every turn grows and shrinks its tables all the time, and each old table points
 * on to the next, so that one which has grown old keeps all that came later from the scavenger. They go together, when
 * they are as many as those in use, into no new table but a new Map.
 */
export class SweptMap<V extends { readonly size: number }> {
  private values = new Map<string, V>()
  private emptied = 0

  constructor (private readonly make: (name: string) => V) {}

  /** Also an empty one. */
  get (name: string): V | undefined { return this.values.get(name) }

  /** The value of that name, made if there is none. */
  open (name: string): V {
    let value = this.values.get(name)
    if (value === undefined) {
      value = this.make(name)
      this.values.set(name, value)
    }
    return value
  }

  /** To be told whenever a value has become empty. */
  noteEmpty (): void {
    if (++this.emptied < MIN_EMPTIED || this.emptied * 2 < this.values.size) return
    this.emptied = 0
    this.values = new Map([...this.values].filter(([, { size }]) => size > 0))
  }

  /** All of them, also the empty ones. */
  all (): Iterable<V> & Iterator<V> { return this.values.values() }

  /** How many there are, the empty ones included. */
  get size (): number { return this.values.size }
}
