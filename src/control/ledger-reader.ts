import { split } from '../collections/split.js'
import type { ControlState } from './control-state.js'
import type { OrderRecord } from './ledger.js'
import { askToKnow } from './order-book.js'
import { isWitness, type KeptOrder, type LedgerName } from './order-record.js'
import { SET_START, type Ask, type OrderStore, type ScoreCursor } from './order-store.js'

export interface LedgerReaderOptions {
  readonly name: LedgerName
  readonly state: ControlState
  readonly store: OrderStore
  /** A member of the sorted set was found that this version cannot read. */
  readonly onUnreadable: () => void
  /** Redis had lost these, and has them again. */
  readonly onWrittenBack: (name: LedgerName, orders: readonly KeptOrder[]) => void
  /** Entries read, or looked at, in one turn of the event loop. */
  readonly sliceSize?: number
}

/** A turn with as many takes some 3 ms; with more the loop would stall, with fewer a reading would be mostly round trips. */
const SLICE = 200
/** Names settled in one script call: it holds up Redis for less than 1 ms. */
const SETTLED_TOGETHER = 100

/** Between the ends of one taking back, as two clocks see it. */
const MEANINGLESS_MS = 1000

/** An entry that a message names: `member` is what it says that the entry is, '' when it says nothing. */
export interface NamedEntry {
  readonly name: string
  readonly member: string
}

/**
 * Brings what this process knows of one kind of orders in line with what Redis keeps, in both directions: what is kept is
 * learnt, and what this process knows and Redis has lost is written back. Redis decides which of two counts.
 */
export class LedgerReader {
  private readings = 0

  constructor (private readonly options: LedgerReaderOptions) {}

  /** Reads these entries alone. Rejects when Redis does not answer. */
  async readNamed (entries: readonly NamedEntry[]): Promise<void> {
    await this.settle(entries.flatMap(({ name, member }) => this.asksOf(name, member)))
  }

  /** Reads everything, slice by slice. Rejects when Redis does not answer; what was read until then is known. */
  async readAll (): Promise<void> {
    const { name, state, store } = this.options
    const reading = ++this.readings
    const { nowMs } = await store.settle([], 0)
    const news: string[] = []
    const doubts: Ask[] = []
    try {
      await this.readRecords(reading, nowMs, news, doubts)
      await this.readSet(reading, nowMs, doubts)
      await this.findMissing(reading, doubts)
    } finally {
      state.tell(name, news)
    }
    await this.settle(doubts)
  }

  private async readRecords (reading: number, nowMs: number, news: string[], doubts: Ask[]): Promise<void> {
    const { name, state, store, sliceSize = SLICE } = this.options
    const ledger = state.ledgers[name]
    for (let cursor: string | null = '0'; cursor !== null;) {
      const slice = await store.readRecords(cursor, nowMs, sliceSize)
      const lasting = slice.entries.filter(({ remainingMs }) => remainingMs > 0)
      for (const each of state.learnQuietly(name, lasting)) news.push(each)
      for (const kept of lasting) {
        const known = ledger.get(kept.name)
        if (known === undefined) continue
        known.seenInRecords = reading
        if (isOther(kept, known, ledger.remainingMs(known))) doubts.push(askToKnow(known, ledger.remainingMs(known)))
      }
      // One that has ended takes room until it is looked at.
      for (const { name: ended, remainingMs } of slice.entries) if (remainingMs <= 0) doubts.push(...this.asksOf(ended, ''))
      cursor = slice.next
    }
  }

  /** The orders in force, where a process of the build before gives its own, and takes back others. */
  private async readSet (reading: number, nowMs: number, doubts: Ask[]): Promise<void> {
    const { name, state, store, onUnreadable, sliceSize = SLICE } = this.options
    const terms = state.terms[name]
    for (let cursor: ScoreCursor | null = SET_START; cursor !== null;) {
      const slice = await store.readSet(cursor, sliceSize)
      for (const { member, endsAtMs } of slice.entries) {
        if (endsAtMs <= nowMs || isWitness(terms, member)) continue
        const entry = terms.nameOf(member)
        if (entry === null) { onUnreadable(); continue }
        const known = state.ledgers[name].get(entry)
        if (known !== undefined && !known.lifted && known.member === member && known.keptUntilMs === endsAtMs) known.seenInOrders = reading
        else doubts.push(...this.asksOf(entry, member))
      }
      cursor = slice.next
    }
  }

  /** What this process knows and the reading did not find. */
  private async findMissing (reading: number, doubts: Ask[]): Promise<void> {
    const { name, state, sliceSize = SLICE } = this.options
    const ledger = state.ledgers[name]
    let looked = 0
    for (const record of ledger.all()) {
      if (++looked % sliceSize === 0) await new Promise((resolve) => { setImmediate(resolve) })
      const remainingMs = ledger.remainingMs(record)
      if (remainingMs === 0) ledger.forget(record)
      else if (isMissing(record, reading)) doubts.push(askToKnow(record, remainingMs))
    }
  }

  private asksOf (name: string, member: string): Ask[] {
    const ledger = this.options.state.ledgers[this.options.name]
    const known = ledger.get(name)
    const read: Ask = { name, want: 'read', givenAtUs: 0, remainingMs: 0, member }
    if (known === undefined) return [read]
    const know = askToKnow(known, ledger.remainingMs(known))
    return member === '' || member === known.member ? [know] : [read, know]
  }

  private async settle (asks: readonly Ask[]): Promise<void> {
    const { name, state, store, onWrittenBack } = this.options
    const news: string[] = []
    const writtenBack: KeptOrder[] = []
    try {
      for (const part of split(asks, SETTLED_TOGETHER)) {
        const { settled } = await store.settle(part, state.heardAtUs())
        const kept = settled.flatMap(({ order, refused }) => order === null || refused ? [] : [order])
        for (const each of state.learnQuietly(name, kept)) news.push(each)
        writtenBack.push(...settled.flatMap(({ order, refused, written }, at) => (
          written && !refused && order !== null && part[at]?.givenAtUs === order.givenAtUs ? [order] : []
        )))
      }
    } finally {
      state.tell(name, news)
      if (writtenBack.length > 0) onWrittenBack(name, writtenBack)
    }
  }
}

/** Whether Redis keeps something else than what is known here after reading it, or for a shorter time. */
function isOther (kept: KeptOrder, known: OrderRecord, remainingMs: number): boolean {
  if (known.givenAtUs !== kept.givenAtUs || known.lifted !== kept.lifted) return true
  return known.lifted && remainingMs > kept.remainingMs + MEANINGLESS_MS
}

function isMissing (record: OrderRecord, reading: number): boolean {
  return record.seenInRecords !== reading || (!record.lifted && record.seenInOrders !== reading)
}
