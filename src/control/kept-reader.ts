import { Gatherer } from './gatherer.js'
import type { ControlState } from './control-state.js'
import type { KeptOrders } from './kept-orders.js'
import { LedgerReader, type NamedEntry } from './ledger-reader.js'
import type { KeptOrder, LedgerName } from './order-record.js'
import type { OrderStore } from './order-store.js'
import { ReloadLoop } from './reload-loop.js'

export interface KeptReaderOptions {
  readonly state: ControlState
  readonly stores: Readonly<Record<LedgerName, OrderStore>>
  readonly keptOrders: KeptOrders
  /** Time between two readings of everything, in ms. */
  readonly everyMs: number
  /** An entry was found that this version cannot read. */
  readonly onUnreadable: (name: LedgerName) => void
  /** Redis had lost these, and has them again. */
  readonly onWrittenBack: (name: LedgerName, orders: readonly KeptOrder[]) => void
}

interface Named extends NamedEntry { readonly ledger: LedgerName }

/** Reads what Redis keeps: an entry when it is named, everything at the start, after each loss and from time to time. */
export class KeptReader {
  /** Whether revocations and bans were read at least once. */
  loaded = false
  private startedAtMs = Infinity
  private closed = false
  private readonly readers: Readonly<Record<LedgerName, LedgerReader>>
  private readonly loop: ReloadLoop
  private readonly gatherer: Gatherer<Named>

  constructor (private readonly options: KeptReaderOptions) {
    const { state, stores, onWrittenBack } = options
    const open = (name: LedgerName): LedgerReader => new LedgerReader({
      name, state, store: stores[name], onWrittenBack, onUnreadable: () => { options.onUnreadable(name) }
    })
    this.readers = { bans: open('bans'), revocations: open('revocations') }
    this.loop = new ReloadLoop(async () => await this.reload(), options.everyMs)
    this.gatherer = new Gatherer({ read: async (entries) => await this.readGathered(entries), readAll: () => { this.loop.readPaced() } })
  }

  /** Orders from now on concern this process: before, it had no connections. */
  start (): void {
    this.startedAtMs = performance.now()
    this.loop.readSoon()
  }

  readSoon (): void { this.loop.readSoon() }

  /** Reads one entry within 50 ms, together with all that are named until then. */
  readNamed (ledger: LedgerName, entry: NamedEntry): void {
    this.gatherer.add(`${ledger} ${entry.name} ${entry.member}`, { ...entry, ledger })
  }

  /** What is read after this is not done any more. */
  close (): void {
    this.closed = true
    this.loop.close()
    this.gatherer.close()
  }

  /** False: Redis is away, which the connection reports; what is known goes on. Never rejects. */
  private async reload (): Promise<boolean> {
    // One after the other: the slices of two would share a turn of the event loop.
    const missed = await this.performMissed().then(() => true, () => false)
    const bans = await this.readers.bans.readAll().then(() => true, () => false)
    const revocations = await this.readers.revocations.readAll().then(() => true, () => false)
    if (bans && revocations) this.loaded = true
    return missed && bans && revocations
  }

  private async readGathered (entries: readonly Named[]): Promise<boolean> {
    try {
      for (const name of ['bans', 'revocations'] as const) await this.readers[name].readNamed(entries.filter(({ ledger }) => ledger === name))
      return true
    } catch {
      return false
    }
  }

  /** Does what was ordered since the start of this process, and not yet done here. */
  private async performMissed (): Promise<void> {
    const { state, keptOrders } = this.options
    await keptOrders.readSince(performance.now() - this.startedAtMs, (order) => { if (!this.closed) state.perform(order) })
  }
}
