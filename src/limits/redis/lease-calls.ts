import type { LimitKeys } from '../../redis/keys.js'
import type { Lease } from '../limiter.js'
import { hasRecord, type RecordCalls } from './record-calls.js'
import { isAway } from '../../redis/failure.js'
import { readFailures, readIntegers, readTwoLists } from '../../redis/lua-reply.js'
import type { LuaScript, RunScript } from '../../redis/lua-script.js'
import { loadScript } from './scripts.js'
import { split } from '../../collections/split.js'

/** The calls about leases that are taken. */
export interface LeaseCalls {
  /** Removes leases and their records. Rejects when one part could not be removed. */
  release (leases: readonly Lease[]): Promise<void>
  /** Removes leases; their records stay. */
  vacate (leases: readonly Lease[]): Promise<void>
  /** Extends leases, and puts back what Redis has lost of them and of their records. */
  renew (leases: readonly Lease[]): Promise<void>
}

export interface LeaseCallOptions {
  readonly run: RunScript
  readonly keys: LimitKeys
  readonly leaseMs: number
  readonly oneKeyPerCall: boolean
  /** How many leases go in one call, at most. */
  readonly perCall: number
  readonly records: RecordCalls | null
  /** Called with what went wrong with single leases, or with records: the others of the call were done. */
  readonly onFailure: (error: unknown) => void
}

/** Makes the calls of `release.lua` and `renew.lua`, with the records that go along. */
export function createLeaseCalls (options: LeaseCallOptions): LeaseCalls {
  const { run, keys, leaseMs, oneKeyPerCall, perCall, records, onFailure } = options
  const releaseScript = loadScript('release')
  const renewScript = loadScript('renew')
  const leasesPerCall = oneKeyPerCall ? 1 : perCall

  /** What says that Redis is away fails the whole. */
  const tell = (reply: unknown, script: LuaScript, keyList: readonly string[]): void => {
    const failures = readFailures(reply, script.name, keyList)
    for (const failure of failures) onFailure(failure)
    const away = failures.find(isAway)
    if (away !== undefined) throw away
  }
  const removeAll = async (leases: readonly Lease[], recordsKey: string | null): Promise<void> => {
    await Promise.all(split(leases, leasesPerCall).map(async (part) => {
      const keyList = userKeys(part)
      if (recordsKey !== null) keyList.push(recordsKey)
      tell(await run(releaseScript, keyList, [joinIds(part)]), releaseScript, keyList)
    }))
  }
  /** On a single Redis the same call looks for the records that were lost. */
  const renewPart = async (part: readonly Lease[]): Promise<void> => {
    const kept = oneKeyPerCall ? null : records
    const keyList = userKeys(part)
    if (kept !== null && part.some(hasRecord)) keyList.push(kept.key)
    const [failures, lost] = readTwoLists(await run(renewScript, keyList, [leaseMs, ...idsOf(part)]), renewScript.name)
    tell(failures, renewScript, keyList)
    const places = new Set(readIntegers(lost, renewScript.name))
    // Records are for the log: a failure is put right by a later renewal.
    await kept?.keepLost(part.filter((lease, i) => places.has(i + 1) && hasRecord(lease))).catch(onFailure)
  }
  const userKeys = (leases: readonly Lease[]): string[] => leases.map(({ owner }) => keys.user(owner))

  return {
    async release (leases) {
      if (!oneKeyPerCall || records === null) return await removeAll(leases, records?.key ?? null)
      await Promise.all([removeAll(leases, null), records.forget(leases)])
    },
    vacate: async (leases) => { await removeAll(leases, null) },
    async renew (leases) {
      const restored = oneKeyPerCall ? records?.restore(leases).catch(onFailure) : undefined
      await Promise.all([...split(leases, leasesPerCall).map(renewPart), restored])
    }
  }
}

/** The leases' ids in the one argument that `release.lua` and `admit.lua` take them in: each argument has its price. */
export function joinIds (leases: readonly Lease[]): string {
  return idsOf(leases).join(' ')
}

function idsOf (leases: readonly Lease[]): string[] {
  return leases.map(({ connectionId }) => connectionId)
}
