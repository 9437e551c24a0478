import { LRUCache } from 'lru-cache'
import type { RefusalName } from '../refusals.js'

/** Told how many events of one address were held back in the interval that ended: 1 or more; `reason` is that of the last. */
export type OnSuppressed = (address: string, reason: RefusalName, count: number) => void

/** Decides which of one address's events are written while it attacks. */
export interface RefusalSampler {
  /** True when this event is to be written; else it is counted. */
  admit (address: string, reason: RefusalName): boolean
  /** Ends the interval: tells every count and starts anew. */
  sweep (): void
}

export interface SamplerOptions {
  /** Events written per address and interval: 1 or more. */
  readonly writtenPerInterval: number
  /** Addresses remembered; the one longest unseen is told and forgotten first. */
  readonly maxAddresses: number
  readonly onSuppressed: OnSuppressed
}

interface Tally { written: number, suppressed: number, reason: RefusalName }

/** Makes a sampler. The caller calls `sweep` at the end of every interval. */
export function createRefusalSampler ({ writtenPerInterval, maxAddresses, onSuppressed }: SamplerOptions): RefusalSampler {
  const tallies = new LRUCache<string, Tally>({
    max: maxAddresses,
    dispose (tally, address) {
      if (tally.suppressed > 0) onSuppressed(address, tally.reason, tally.suppressed)
    }
  })

  return {
    admit (address, reason) {
      const tally = tallies.get(address)
      if (tally === undefined) {
        tallies.set(address, { written: 1, suppressed: 0, reason })
        return true
      }
      tally.reason = reason
      if (tally.written < writtenPerInterval) {
        tally.written++
        return true
      }
      tally.suppressed++
      return false
    },
    sweep () { tallies.clear() }
  }
}
