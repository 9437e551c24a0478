import type { Admission, Admit, Limiter } from './limiter.js'
import { createTwoGenerationMap } from '../collections/two-generation-map.js'

/** Addresses known to be over a limit until a stated time: a further attempt costs neither a Redis call nor crypto. */
export interface AddressBlocks {
  /** ms until an attempt of this address can succeed; 0: not known to be over. */
  blockedForMs (address: string): number
  /** Remembers that no attempt can succeed for `forMs`. */
  block (address: string, forMs: number): void
  readonly size: number
}

export interface AddressBlocksOptions {
  /** Monotonic, in ms. */
  readonly now: () => number
  /** Addresses remembered at once; beyond that the oldest blocks are forgotten. */
  readonly maxAddresses?: number
}

const MAX_ADDRESSES = 100_000
/** A longer block may be forgotten after this time: the next attempt then costs one call. */
const REMEMBERED_MS = 60_000

/** Makes an empty memory of blocked addresses. */
export function createAddressBlocks ({ now, maxAddresses = MAX_ADDRESSES }: AddressBlocksOptions): AddressBlocks {
  const untils = createTwoGenerationMap<number>(maxAddresses, REMEMBERED_MS)
  return {
    blockedForMs (address) {
      const until = untils.get(address)
      return until === undefined ? 0 : Math.max(0, Math.ceil(until - now()))
    },
    block (address, forMs) {
      const at = now()
      untils.set(address, at + forMs, at)
    },
    get size () { return untils.size }
  }
}

/** Hears what was decided of an attempt. */
export type OnDecided = (request: Admit, admission: Admission) => void

/**
 * Wraps a limiter: addresses that it refuses are remembered in `blocks`, and their next attempts are refused without a call.
 * An attempt with a pass is passed on all the same: only the limiter below knows whether the pass is spent. `onDecided` hears of
 * all, those without a call included.
 */
export function rememberBlocks (limiter: Limiter, blocks: AddressBlocks, onDecided: OnDecided = () => {}): Limiter {
  return {
    ...limiter,
    admit: (request) => {
      const { address, resume = null } = request
      const retryAfterMs = address !== null && resume === null ? blocks.blockedForMs(address) : 0
      if (retryAfterMs > 0) {
        const refused: Admission = { admitted: false, limit: 'address', retryAfterMs }
        onDecided(request, refused)
        return Promise.resolve(refused)
      }
      return limiter.admit(request).then((admission) => {
        if (address !== null && !admission.admitted && admission.limit === 'address') blocks.block(address, admission.retryAfterMs)
        onDecided(request, admission)
        return admission
      })
    }
  }
}
