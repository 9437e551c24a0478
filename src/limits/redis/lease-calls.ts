import type { LimitKeys } from '../../redis/keys.js'
import type { Lease } from '../limiter.js'
import type { RecordCalls } from './record-calls.js'
import { isAway } from '../../redis/failure.js'
import { readFailures } from '../../redis/lua-reply.js'
import type { LuaScript, RunScript } from '../../redis/lua-script.js'
import type { ScriptItemError } from '../../redis/script-item-error.js'
import { loadScript } from './scripts.js'
import { split } from '../../collections/split.js'

/** The calls about leases that are taken. */
export interface LeaseCalls {
  /** Removes leases and their records. Rejects when one part could not be removed. */
  release (leases: readonly Lease[]): Promise<void>
  /** Removes leases; their records stay. */
  vacate (leases: readonly Lease[]): Promise<void>
}

export interface LeaseCallOptions {
  readonly run: RunScript
  readonly keys: LimitKeys
  readonly leaseMs: number
  /** On a cluster: keys of one call share a slot, as different users' hardly ever do. */
  readonly oneKeyPerCall: boolean
  /** How many leases go in one call, at most. */
  readonly perCall: number
  readonly records: RecordCalls | null
  /** Called with what went wrong with single leases, or with records: the others of the call were done. */
  readonly onFailure: (error: unknown) => void
}

/** Makes the calls of `release.lua`, with the records that go along. */
export function createLeaseCalls ({ run, keys, oneKeyPerCall, perCall, records, onFailure }: LeaseCallOptions): LeaseCalls {
  const script = loadScript('release')
  const leasesPerCall = oneKeyPerCall ? 1 : perCall
  const removeAll = async (leases: readonly Lease[], recordsKey: string | null): Promise<void> => {
    await Promise.all(split(leases, leasesPerCall).map(async (part) => {
      const keyList = part.map(({ owner }) => keys.user(owner))
      if (recordsKey !== null) keyList.push(recordsKey)
      tellFailures(await run(script, keyList, [joinIds(part)]), script, keyList, onFailure)
    }))
  }

  return {
    async release (leases) {
      if (!oneKeyPerCall || records === null) return await removeAll(leases, records?.key ?? null)
      await Promise.all([removeAll(leases, null), records.forget(leases)])
    },
    vacate: async (leases) => { await removeAll(leases, null) }
  }
}

/**
 * Tells what went wrong with single keys of a call, whose others were done, and gives it back. Throws what says that Redis is away:
 * it fails the whole.
 */
export function tellFailures (
  reply: unknown, script: LuaScript, keyList: readonly string[], onFailure: (error: unknown) => void
): readonly ScriptItemError[] {
  const failures = readFailures(reply, script.name, keyList)
  for (const failure of failures) onFailure(failure)
  const away = failures.find(isAway)
  if (away !== undefined) throw away
  return failures
}

/** The leases' ids in the one argument in which scripts take them: each argument has its price. */
export function joinIds (leases: readonly Lease[]): string {
  return leases.map(({ connectionId }) => connectionId).join(' ')
}
