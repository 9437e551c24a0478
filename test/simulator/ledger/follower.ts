import type { Invariant } from '../world.js'
import type { Doubts } from './doubts.js'
import { readPlace, type Instance, type Truth } from './truth.js'

export interface FollowerDeps {
  readonly truth: Truth
  readonly topic: string
  /** Who follows, for messages. */
  readonly name: string
  readonly fail: (invariant: Invariant, text: string) => void
  /** Whether it may go without this one: it did not ask for such events, or had it by its id. */
  readonly isUnwanted: (instance: Instance) => boolean
  /** Which epochs counted positions twice: holes in them are judged later. */
  readonly doubts: Doubts
}

/** How far one listener is in one topic, by what it was given and told. */
export class Follower {
  /** All up to this index was given, or is excused; null: it was never told where it stands. */
  private index: number | null = null
  /** The same as far as it was told of, and not only may go without. */
  private toldIndex: number | null = null
  private epoch: string | null = null
  private offset = 0
  /** What `last` asked for: up to this index it may be given, and none of it is owed until the first is. */
  private optionalFrom: number | null = null
  /** The first that is missing in a doubtful epoch, as long as nobody has told of it. */
  doubt: Instance | undefined

  constructor (private readonly deps: FollowerDeps) {}

  get isPlaced (): boolean { return this.index !== null }

  /** It is told where live events begin; all before is excused. `last`: so many before may be given. */
  begin (pos: string | undefined, last: number): void {
    this.doubt = undefined
    if (pos === undefined) {
      this.index = this.toldIndex = this.epoch = this.optionalFrom = null
      return
    }
    const place = readPlace(pos)
    const index = this.deps.truth.indexOf(this.deps.topic, place)
    if (index === null) return this.deps.fail('lie', `${this.deps.name} is told of ${pos}, which never was`)
    this.index = this.toldIndex = index
    this.epoch = place.epoch
    this.offset = place.offset
    this.optionalFrom = last > 0 ? Math.max(0, place.offset - last) : null
  }

  /** It is told that all after a position follows. */
  goOn (pos: string): void {
    const place = readPlace(pos)
    const index = this.deps.truth.indexOf(this.deps.topic, place)
    if (index === null) return this.deps.fail('lie', `${this.deps.name} is told that ${pos} is recovered, which never was`)
    this.begin(pos, 0)
  }

  /** Events up to a position may be missing. */
  gap (pos: string): void {
    const { topic, doubts } = this.deps
    const before = this.toldIndex
    const epochs = [this.epoch]
    this.begin(pos, 0)
    epochs.push(this.epoch)
    const isDoubtful = epochs.some(epoch => epoch !== null && doubts.isDoubtful(topic, epoch))
    const isUnordered = epochs[0] !== epochs[1] && doubts.isUnordered(topic)
    if (before !== null && this.index !== null && this.index < before && !isDoubtful && !isUnordered) {
      this.deps.fail('order', `${this.deps.name} is told of a gap up to ${pos}, and stood behind that already`)
    }
  }

  /** It is told that it has passed over all up to a position. */
  passOver (pos: string): void {
    const place = readPlace(pos)
    const index = this.deps.truth.indexOf(this.deps.topic, place)
    if (index === null) return this.deps.fail('lie', `${this.deps.name} is told of ${pos}, which never was`)
    if (this.index !== null) this.checkHole(index + 1, `positions ${pos}`)
    this.index = Math.max(index, this.index ?? -1)
    this.epoch = place.epoch
    this.offset = Math.max(place.offset, this.offset)
    this.optionalFrom = null
  }

  /** It is given an event. */
  take (pos: string, key: string | null): Instance | null {
    const { deps: { truth, topic, name, fail } } = this
    const place = readPlace(pos)
    const instance = truth.find(topic, place, key)
    if (instance === undefined) {
      fail('lie', `${name} is given ${key ?? 'nothing'} at ${pos}, where it never was`)
      return null
    }
    if (this.epoch !== null && this.epoch !== place.epoch) {
      fail('order', `${name} stands at ${this.epoch}:${this.offset} and is given ${pos} without a word`)
      return null
    }
    const isOptional = this.optionalFrom !== null && place.offset > this.optionalFrom && place.offset <= this.offset
    if (this.epoch !== null && !isOptional && place.offset <= this.offset) {
      fail('twice', `${name} stands at ${this.epoch}:${this.offset} and is given ${pos}`)
      return null
    }
    // From the first of the last events on none may be missing.
    if (!isOptional && this.index !== null) this.checkHole(instance.index, pos)
    this.optionalFrom = null
    this.index = this.toldIndex = instance.index
    this.epoch = place.epoch
    this.offset = place.offset
    return instance
  }

  /** The first event that it has not been given, was not excused from, and is old enough. */
  findOwed (untilMs: number): Instance | undefined {
    const { index, deps: { truth, topic, isUnwanted } } = this
    if (index === null) return undefined
    return truth.of(topic).slice(index + 1)
      .find(instance => instance.publishedAtMs <= untilMs && instance.key !== null && !isUnwanted(instance))
  }

  /** What it may go without, and was perhaps given, it is not owed from now on. */
  passUnwanted (): void {
    const { index, deps: { truth, topic, isUnwanted } } = this
    if (index === null) return
    const next = truth.of(topic).slice(index + 1).findIndex(instance => instance.key !== null && !isUnwanted(instance))
    this.index = next === -1 ? truth.of(topic).length - 1 : index + next
  }

  private checkHole (toIndex: number, at: string): void {
    const { index, deps: { truth, topic, name, fail, isUnwanted, doubts } } = this
    const instances = truth.of(topic)
    for (let n = (index ?? 0) + 1; n < toIndex; n++) {
      const missing = instances[n]
      if (missing === undefined || missing.key === null || isUnwanted(missing)) continue
      if (doubts.isDoubtful(topic, missing.epoch) || (this.epoch !== null && doubts.isDoubtful(topic, this.epoch))) {
        this.doubt ??= missing
        continue
      }
      return fail('told', `${name} is given ${at} and was not given ${missing.epoch}:${missing.offset} (${missing.key}) before, nor told`)
    }
  }
}
