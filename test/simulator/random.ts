/** Chance from a seed: the same seed gives the same numbers, everywhere. */
export class Random {
  private a: number
  private b: number
  private c: number
  private d = 1

  constructor (seed: number, stream = 0) {
    this.a = seed >>> 0
    this.b = Math.floor(seed / 2 ** 32) >>> 0
    this.c = stream >>> 0
    for (let n = 0; n < 12; n++) this.next()
  }

  /** 0 or more, below 1. The generator is sfc32. */
  readonly next = (): number => {
    const sum = (this.a + this.b + this.d) | 0
    this.d = (this.d + 1) | 0
    this.a = this.b ^ (this.b >>> 9)
    this.b = (this.c + (this.c << 3)) | 0
    this.c = ((this.c << 21) | (this.c >>> 11)) + sum | 0
    return (sum >>> 0) / 2 ** 32
  }

  /** A whole number from `least` to `most`, both included. */
  between (least: number, most: number): number { return least + Math.floor(this.next() * (most - least + 1)) }

  chance (probability: number): boolean { return this.next() < probability }

  pick<T> (values: readonly T[]): T {
    const value = values[Math.floor(this.next() * values.length)]
    if (value === undefined) throw new RangeError('nothing to pick from')
    return value
  }

  /** A time span in ms, most often near the mean, seldom much more. */
  span (meanMs: number): number { return -Math.log(1 - this.next()) * meanMs }
}
