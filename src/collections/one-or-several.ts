/** What a Set of values and a Map of values by key do alike. */
interface Collection<K, V> {
  readonly size: number
  has (key: K): boolean
  delete (key: K): boolean
  values (): Iterable<V>
}

/**
 * Values of which there is most often one. A Set or Map costs 150 bytes and more for its first value, so the second value
 * makes it; from then on it stays, until the whole is dropped.
 */
export abstract class OneOrSeveral<K, V extends object, C extends Collection<K, V>> {
  private only: V | null = null
  private several: C | null = null

  /** By which a value is found. */
  protected abstract keyOf (value: V): K
  protected abstract makeCollection (): C
  protected abstract addTo (several: C, value: V): void

  get size (): number { return this.several?.size ?? (this.only === null ? 0 : 1) }

  has (key: K): boolean {
    if (this.several !== null) return this.several.has(key)
    return this.only !== null && this.keyOf(this.only) === key
  }

  /** Adds a value, in place of one with the same key. */
  add (value: V): void {
    if (this.several !== null) {
      this.addTo(this.several, value)
    } else if (this.only === null || this.keyOf(this.only) === this.keyOf(value)) {
      this.only = value
    } else {
      this.several = this.makeCollection()
      this.addTo(this.several, this.only)
      this.addTo(this.several, value)
      this.only = null
    }
  }

  /** False when it was not there. */
  remove (key: K): boolean {
    if (this.several !== null) return this.several.delete(key)
    if (!this.has(key)) return false
    this.only = null
    return true
  }

  /** All of them, the earliest first. Removing some meanwhile is allowed, and they are not met any more. */
  members (): Iterable<V> { return this.several?.values() ?? (this.only === null ? [] : [this.only]) }
}

/** A set that holds one value, or several. */
export class SmallSet<V extends object> extends OneOrSeveral<V, V, Set<V>> {
  protected override keyOf (value: V): V { return value }
  protected override makeCollection (): Set<V> { return new Set() }
  protected override addTo (several: Set<V>, value: V): void { several.add(value) }
}

/** The same by keys that the values carry. */
export abstract class SmallMap<K, V extends object> extends OneOrSeveral<K, V, Map<K, V>> {
  protected override makeCollection (): Map<K, V> { return new Map() }
  protected override addTo (several: Map<K, V>, value: V): void { several.set(this.keyOf(value), value) }
}
