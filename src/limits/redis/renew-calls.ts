import hashSlot from 'cluster-key-slot'
import { groupBy } from '../../collections/group-by.js'
import { split } from '../../collections/split.js'
import { classifyFailure } from '../../redis/failure.js'
import { readTexts, readThreeLists } from '../../redis/lua-reply.js'
import type { Lease } from '../limiter.js'
import { joinIds, tellFailures, type LeaseCallOptions } from './lease-calls.js'
import { hasRecord, type Rider } from './record-calls.js'
import { loadScript } from './scripts.js'

export type RenewCalls = (leases: readonly Lease[]) => Promise<void>

/**
 * Makes the calls of `renew.lua`: on a single Redis one for as many leases as go in a call, with the look for lost records and the
 * heartbeat. On a cluster one for those whose keys share a slot, as all of a user's do.
 */
export function createRenewCalls (options: LeaseCallOptions): RenewCalls {
  const { run, keys, leaseMs, oneKeyPerCall, perCall, records, onFailure } = options
  const script = loadScript('renew')
  const kept = oneKeyPerCall ? null : records

  const renewPart = async (part: readonly Lease[]): Promise<void> => {
    const users = groupBy(part, ({ owner }) => owner)
    const keyList = users.map(([lease]) => keys.user(lease?.owner ?? ''))
    const args = [leaseMs, kept?.looksForAll() === true ? 'all' : '', users.length, ...users.map(joinIds)]
    const looks = kept !== null && part.some(hasRecord)
    if (looks) keyList.push(kept.key)
    const reply = await runWithRider(keyList, args, looks ? kept.takeRider() : null)
    const [failures, lost] = readThreeLists(reply, script.name)
    const failed = tellFailures(failures, script, keyList, onFailure)
    if (failed.some(({ keys: [key] }) => key === kept?.key)) kept?.owe()
    const ids = new Set(readTexts(lost, script.name))
    // Records are for the log: a failure is put right by a later renewal.
    await kept?.keepLost(part.filter(lease => ids.has(lease.connectionId) && hasRecord(lease))).catch(onFailure)
  }
  const renewJointly = async (part: readonly Lease[]): Promise<void> => {
    try {
      await renewPart(part)
    } catch (error) {
      // It may have run all the same, and only its answer is lost.
      kept?.owe()
      throw error
    }
  }
  /** A call with one key that is denied is denied whole: leases do not lapse because the heartbeat lacks a right. */
  const runWithRider = async (keyList: readonly string[], args: ReadonlyArray<string | number>, rider: Rider | null): Promise<unknown> => {
    if (rider === null) return await run(script, keyList, args)
    try {
      const reply = await run(script, [...keyList, ...rider.keys], [...args, ...rider.args])
      rider.answered(readThreeLists(reply, script.name)[2])
      return reply
    } catch (error) {
      rider.failed(error)
      if (classifyFailure(error).kind !== 'denied') throw error
      return await run(script, keyList, args)
    }
  }
  const renewSlot = async (part: readonly Lease[]): Promise<void> => {
    const users = groupBy(part, ({ owner }) => owner)
    try {
      await renewPart(part)
    } catch (error) {
      const failure = classifyFailure(error)
      if (users.length < 2 || failure.kind !== 'away' || failure.cause !== 'cluster_down') throw error
      // While a slot moves, a call is turned away whose keys stand on two nodes; one with a single key finds its node.
      await Promise.all(users.map(renewPart))
    }
  }
  return async (leases) => {
    if (!oneKeyPerCall) {
      await Promise.all(split(leases, perCall).map(renewJointly))
      return
    }
    const parts = groupBy(leases, ({ owner }) => hashSlot(keys.user(owner))).flatMap(sameSlot => split(sameSlot, perCall))
    await Promise.all([...parts.map(renewSlot), records?.restore(leases).catch(onFailure)])
  }
}
