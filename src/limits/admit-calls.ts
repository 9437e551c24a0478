import type { LimitKeys } from './keys.js'
import { USER_RETRY_AFTER_MS, type Admission, type Admit, type Lease, type LimitSettings } from './limiter.js'
import { loadScript, type RunScript } from './scripts.js'
import { subWindowMs } from './sub-window.js'

/**
 * Decides many attempts. On a single Redis all of them in one call, which rejects as a whole; on a cluster one by one, an
 * Error standing for each that could not be decided. `undo` gets every lease that may have been taken for nothing.
 */
export type AdmitCalls = (attempts: readonly Admit[], undo: (lease: Lease) => void) => Promise<Array<Admission | Error>>

export interface AdmitCallOptions {
  readonly run: RunScript
  readonly keys: LimitKeys
  readonly settings: LimitSettings
  readonly oneKeyPerCall: boolean
}

const ADMITTED: Admission = { admitted: true }
const NO_SLOT: Admission = { admitted: false, limit: 'user', retryAfterMs: USER_RETRY_AFTER_MS }

/** Makes the calls of `admit.lua`. */
export function createAdmitCalls ({ run, keys, settings, oneKeyPerCall }: AdmitCallOptions): AdmitCalls {
  const script = loadScript('admit')
  const { addressConnections, addressWindowMs, userConnections, leaseMs } = settings
  const widthMs = subWindowMs(addressConnections, addressWindowMs, 0)
  const fixed = [addressConnections, addressWindowMs, widthMs, userConnections, leaseMs]

  const decideTogether: AdmitCalls = async (attempts, undo) => {
    const keyList: string[] = []
    const args: Array<string | number> = [...fixed]
    for (const { address, lease } of attempts) {
      if (address !== null) keyList.push(keys.address(address))
      if (lease !== null) keyList.push(keys.user(lease.userId))
      args.push(describe(address, lease))
    }
    try {
      const verdicts = await run(script, keyList, args) as number[]
      return verdicts.map(readVerdict)
    } catch (error) {
      // It may have run all the same, its answer lost.
      for (const { lease } of attempts) if (lease !== null) undo(lease)
      throw error
    }
  }

  const decidePart = async (key: string, part: string): Promise<Admission> => {
    const [verdict] = await run(script, [key], [...fixed, part]) as [number]
    return readVerdict(verdict)
  }
  const decideApart = async ({ address, lease }: Admit, undo: (lease: Lease) => void): Promise<Admission | Error> => {
    const [byAddress, byUser] = await Promise.allSettled([
      address === null ? ADMITTED : decidePart(keys.address(address), describe(address, null)),
      lease === null ? ADMITTED : decidePart(keys.user(lease.userId), describe(null, lease))
    ])
    const admission = firstRefusal(byAddress, byUser)
    const mayHoldLease = byUser.status === 'rejected' || byUser.value.admitted
    if (lease !== null && mayHoldLease && admission !== ADMITTED) undo(lease)
    return admission
  }

  return oneKeyPerCall
    ? async (attempts, undo) => await Promise.all(attempts.map(async (attempt) => await decideApart(attempt, undo)))
    : decideTogether
}

function describe (address: string | null, lease: Lease | null): string {
  if (lease === null) return 'a'
  return (address === null ? 'u' : 'b') + lease.connectionId
}

function readVerdict (verdict: number): Admission {
  if (verdict === 0) return ADMITTED
  return verdict < 0 ? NO_SLOT : { admitted: false, limit: 'address', retryAfterMs: verdict }
}

function firstRefusal (...parts: Array<PromiseSettledResult<Admission>>): Admission | Error {
  for (const part of parts) {
    if (part.status === 'rejected') return part.reason instanceof Error ? part.reason : new Error('the limit could not be checked')
    if (!part.value.admitted) return part.value
  }
  return ADMITTED
}
