import type { Truth } from './truth.js'

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

  /** The data are an older copy now: of each topic the head tells where it goes on. */
  restored (heads: ReadonlyMap<string, { readonly epoch: string, readonly top: number }>, truth: Truth): void {
    for (const [topic, { epoch, top }] of heads) {
      const index = truth.indexOf(topic, { epoch, offset: top })
      const lost = index === null ? [] : truth.of(topic).slice(index + 1)
      if (lost.length === 0) continue
      const epochs = [epoch, ...this.topics.get(topic)?.epochs ?? [], ...lost.map(instance => instance.epoch)]
      this.topics.set(topic, { epochs: new Set(epochs), witnesses: new Set() })
    }
  }

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

  isDoubtful (topic: string, epoch: string): boolean { return this.topics.get(topic)?.epochs.has(epoch) ?? false }

  isWitnessed (topic: string): boolean { return (this.topics.get(topic)?.witnesses.size ?? 0) > 0 }
}
