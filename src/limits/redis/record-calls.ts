import type { Lease } from '../limiter.js'
import { readIntegers } from '../../redis/lua-reply.js'
import type { RunScript } from '../../redis/lua-script.js'
import { steadyNow } from '../../clocks.js'
import { loadScript, RECORDS_KEPT_MS } from './scripts.js'
import { split } from '../../collections/split.js'

/** What goes along with a renewal on a single Redis: this process's heartbeat. One of its two functions is called, once. */
export interface Rider {
  /** Keys after that of the records, and arguments after those of the renewal. */
  readonly keys: readonly string[]
  readonly args: ReadonlyArray<string | number>
  readonly answered: (reply: readonly unknown[]) => void
  /** The call failed, or is sent once more without it. */
  readonly failed: (error: unknown) => void
}

/** What this process knows of its own records. */
export interface RecordTrust {
  /**
   * Whether a renewal that finds records missing may put them back. False while others may have taken this process for dead
   * and claimed them.
   */
  readonly mayRestore: () => boolean
  /** Whether Redis may have lost records and kept their leases: renewals then look for all. Absent: it may have at any time. */
  readonly mayBeLost?: () => boolean
  /** What the next renewal on a single Redis takes along; null, or absent: nothing. */
  readonly takeRider?: () => Rider | null
}

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
  /** Whether a renewal looks for all records; else for those only whose leases Redis has lost. */
  looksForAll (): boolean
  /**
   * Some may be lost whose leases are there again, so that no renewal finds these lost: all are looked for until each lease was renewed.
   */
  owe (): void
  /** See `RecordTrust`. */
  takeRider (): Rider | null
}

export interface RecordCallOptions extends RecordTrust {
  readonly run: RunScript
  /** Of the hash that holds them. */
  readonly key: string
  /** How many records go in one call, at most. */
  readonly perCall: number
  /** Each lease is renewed within this time, in ms. */
  readonly leaseMs: number
}

/** Makes the calls for one process's records. `mayRestore` is asked when some are missing. */
export function createRecordCalls ({ run, key, perCall, leaseMs, ...trust }: RecordCallOptions): RecordCalls {
  const { mayRestore, mayBeLost = () => true, takeRider = () => null } = trust
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
    if (lost.length === 0 || !mayRestore()) return
    await keepPart(lost).catch((error: unknown) => {
      owe()
      throw error
    })
  }
  let owedUntilMs = -Infinity
  const owe = (): void => { owedUntilMs = steadyNow() + leaseMs }
  return {
    key,
    looksForAll: () => mayBeLost() || steadyNow() < owedUntilMs,
    owe,
    takeRider,
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
