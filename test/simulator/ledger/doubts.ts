import type { Truth } from './truth.js'

type Heads = ReadonlyMap<string, { readonly epoch: string, readonly top: number, readonly topAtMs: number }>

interface Doubt {
  readonly epochs: Set<string>
  /** Names of the processes that found out. */
  readonly witnesses: Set<string>
}

/**
 * Topics of which an older copy took the place of the data, and nothing in the store tells of it. A process that knew of what was lost
 * may find out (a witness); where none could, or those that did died before the store had their word, nobody can be told: the one loss
 * that is allowed.
 */
export class Doubts {
  private readonly topics = new Map<string, Doubt>()
  /** Topics that went on with an epoch that had ended: of two of their epochs none is later. */
  private readonly unordered = new Set<string>()

  /** The data are an older copy now: of each topic the head tells where it goes on, and where it had been before. */
  restored (before: Heads, heads: Heads, truth: Truth): void {
    for (const [topic, { epoch, top, topAtMs }] of heads) {
      if (before.get(topic)?.epoch !== epoch) this.unordered.add(topic)
      // Of two events at one place the copy holds the one with this stamp.
      const newest = truth.of(topic).findLast(one => one.epoch === epoch && one.offset === top && one.atMs === topAtMs)
      const index = newest?.index ?? truth.indexOf(topic, { epoch, offset: top })
      const lost = index === null ? [] : truth.of(topic).slice(index + 1)
      if (lost.length === 0) continue
      const epochs = [epoch, ...this.topics.get(topic)?.epochs ?? [], ...lost.map(instance => instance.epoch)]
      this.topics.set(topic, { epochs: new Set(epochs), witnesses: new Set() })
    }
  }

  /** The store will not tell of a topic: a late message of an epoch that had ended may be believed, and a gap be told in that epoch. */
  unreadable (topic: string): void { this.unordered.add(topic) }

  /** A process has met what contradicts what it knows. */
  witnessed (topic: string, epoch: string, process: string): void {
    const doubt = this.topics.get(topic)
    if (doubt?.epochs.has(epoch) === true) doubt.witnesses.add(process)
  }

  /** A process has died. What it knew and the store has taken, stays known: the topic goes on in an epoch of which nobody doubts. */
  died (process: string, heads: ReadonlyMap<string, { readonly epoch: string }>): void {
    for (const [topic, { epochs, witnesses }] of this.topics) {
      if (epochs.has(heads.get(topic)?.epoch ?? '')) witnesses.delete(process)
    }
  }

  get any (): boolean { return this.topics.size > 0 }

  /** Whether a position of one epoch is neither before nor after one of another. */
  isUnordered (topic: string): boolean { return this.unordered.has(topic) }

  isDoubtful (topic: string, epoch: string): boolean { return this.topics.get(topic)?.epochs.has(epoch) ?? false }

  isWitnessed (topic: string): boolean { return (this.topics.get(topic)?.witnesses.size ?? 0) > 0 }
}
