import type { Lease } from '../limiter.js'
import { readIntegers } from '../../redis/lua-reply.js'
import type { RunScript } from '../../redis/lua-script.js'
import { loadScript, RECORDS_KEPT_MS } from './scripts.js'
import { split } from '../../collections/split.js'

/** The records of one process's open connections, in Redis. */
export interface RecordCalls {
  /** The hash that holds them. */
  readonly key: string
  /** Rejects when one part could not be kept. */
  keep (leases: readonly Lease[]): Promise<void>
  /** Looks for those that Redis has lost, and keeps them again. */
  restore (leases: readonly Lease[]): Promise<void>
  /** Keeps again those that were found to be lost, unless another process may have claimed them. */
  keepLost (leases: readonly Lease[]): Promise<void>
  forget (leases: readonly Lease[]): Promise<void>
}

/**
 * Makes the calls for the records under `key`. `mayRestore` is asked when some are missing: another process may have taken
 * this one for dead and claimed them.
 */
export function createRecordCalls (run: RunScript, key: string, perCall: number, mayRestore: () => boolean): RecordCalls {
  const keepScript = loadScript('keep-records')
  const findLostScript = loadScript('find-lost-records')
  const forgetScript = loadScript('forget-records')

  const keepPart = async (part: readonly Lease[]): Promise<void> => {
    const args: Array<string | number> = [RECORDS_KEPT_MS]
    for (const { connectionId, record = '' } of part) args.push(connectionId, record)
    await run(keepScript, [key], args)
  }
  const restorePart = async (part: readonly Lease[]): Promise<void> => {
    const reply = await run(findLostScript, [key], part.map(({ connectionId }) => connectionId))
    const places = new Set(readIntegers(reply, findLostScript.name))
    await keepLost(part.filter((_lease, i) => places.has(i + 1)))
  }
  const keepLost = async (lost: readonly Lease[]): Promise<void> => {
    if (lost.length > 0 && mayRestore()) await keepPart(lost)
  }
  return {
    key,
    keep: async (leases) => { await Promise.all(split(leases.filter(hasRecord), perCall).map(keepPart)) },
    restore: async (leases) => { await Promise.all(split(leases.filter(hasRecord), perCall).map(restorePart)) },
    keepLost,
    forget: async (leases) => {
      const forgetPart = async (part: readonly Lease[]) => await run(forgetScript, [key], part.map(({ connectionId }) => connectionId))
      await Promise.all(split(leases, perCall).map(forgetPart))
    }
  }
}

/** Whether there is anything to keep beside this lease. */
export function hasRecord ({ record = '' }: Lease): boolean {
  return record !== ''
}
