import type { KeptOrder } from './order-record.js'

/** What this process knows under one name. */
export interface OrderRecord {
  readonly name: string
  readonly givenAtUs: number
  readonly lifted: boolean
  readonly member: string
  /** On this process's clock, in ms. */
  readonly endsAtMs: number
  /** On Redis's clock, in ms; 0: not known. */
  readonly keptUntilMs: number
  /** Number of the last full reading that found it among the records, and among the orders in force. */
  seenInRecords: number
  seenInOrders: number
}

/** What was known under a name before, and what is known now. */
export type OnChange = (before: OrderRecord | undefined, after: OrderRecord | undefined) => void

export type Ledger = ReturnType<typeof createLedger>

/**
 * What a process knows of one kind of orders. Nothing is un-known because a reading lacks it: an order ends by itself, or
 * by a later one. At most `maxRecords`: beyond, those that end first are forgotten. `now` in ms.
 */
export function createLedger (now: () => number, maxRecords: number, onChange: OnChange) {
  const records = new Map<string, OrderRecord>()

  function get (name: string): OrderRecord | undefined {
    const record = records.get(name)
    return record === undefined || record.endsAtMs <= now() ? undefined : record
  }

  function forget (record: OrderRecord): void {
    records.delete(record.name)
    onChange(record, undefined)
  }

  /** Makes a tenth of the room free at once, so that a flood does not sort at each order. */
  function makeRoom (): void {
    for (const record of records.values()) if (record.endsAtMs <= now()) forget(record)
    const surplus = records.size - Math.floor(maxRecords * 0.9)
    if (surplus <= 0) return
    for (const record of [...records.values()].sort((a, b) => a.endsAtMs - b.endsAtMs).slice(0, surplus)) forget(record)
  }

  /** The later one counts; of two of the same time the order, not its taking back. */
  function counts (kept: KeptOrder, known: OrderRecord | undefined): boolean {
    if (known === undefined || kept.givenAtUs > known.givenAtUs) return true
    return kept.givenAtUs === known.givenAtUs && known.lifted && !kept.lifted
  }

  function replace (before: OrderRecord | undefined, after: OrderRecord): void {
    records.set(after.name, after)
    onChange(before, after)
    if (records.size > maxRecords) makeRoom()
  }

  return {
    /** Undefined when nothing is known, or what was known has ended. */
    get,
    /** Learns what is kept, and says what was in force before when that changes what is known; null: it is nothing new. */
    learn (kept: KeptOrder): { readonly before: OrderRecord | undefined, readonly after: OrderRecord } | null {
      const before = get(kept.name)
      const { seenInRecords, seenInOrders } = records.get(kept.name) ?? { seenInRecords: 0, seenInOrders: 0 }
      const { name, givenAtUs, lifted, member, keptUntilMs } = kept
      const keptEndMs = now() + kept.remainingMs
      if (counts(kept, before)) {
        // It may have been taken back by a process that did not know how long it would have lasted.
        const endsAtMs = lifted ? Math.max(keptEndMs, before?.endsAtMs ?? 0) : keptEndMs
        const after = { name, givenAtUs, lifted, member, keptUntilMs, endsAtMs, seenInRecords, seenInOrders }
        replace(records.get(name), after)
        return { before, after }
      }
      if (before !== undefined && before.givenAtUs === givenAtUs && before.keptUntilMs !== keptUntilMs) {
        // The same order, kept a little differently. Only a taking back may become longer: this process's end of an order stays.
        const longest = before.lifted && lifted ? Math.max(keptEndMs, before.endsAtMs) : before.endsAtMs
        replace(before, { ...before, keptUntilMs, endsAtMs: longest })
      }
      return null
    },
    /** All, also those that have ended. */
    all: (): IterableIterator<OrderRecord> => records.values(),
    forget,
    /** Forgets what has ended. */
    sweep (): void {
      for (const record of records.values()) if (record.endsAtMs <= now()) forget(record)
    },
    remainingMs: (record: OrderRecord): number => Math.max(0, record.endsAtMs - now()),
    size: (): number => records.size
  }
}
