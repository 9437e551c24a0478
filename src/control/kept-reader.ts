import { waitAtMost } from '../redis/bounded-wait.js'
import type { ControlSnapshot, ControlState } from './control-state.js'
import type { ControlStore } from './control-store.js'
import type { KeptOrders } from './kept-orders.js'

export interface KeptReaderOptions {
  readonly state: ControlState
  readonly store: ControlStore
  readonly keptOrders: KeptOrders
  /** How long one reading may take, in ms. */
  readonly timeoutMs: number
}

/** Brings what this process knows in line with what Redis keeps. */
export class KeptReader {
  /** Whether revocations and bans were read at least once. */
  loaded = false
  private startedAtMs = Infinity
  private dataSet: string | null = null
  private closed = false

  constructor (private readonly options: KeptReaderOptions) {}

  /** Orders from now on concern this process: before, it had no connections. */
  start (): void {
    this.startedAtMs = performance.now()
  }

  /** Reads all that is kept. False: Redis is away, which the connection reports; what is known goes on. Never rejects. */
  async reload (): Promise<boolean> {
    const parts = await Promise.allSettled([this.load(), this.performMissed()])
    return parts.every(({ status }) => status === 'fulfilled')
  }

  /** What is read after this is not done any more. */
  close (): void {
    this.closed = true
  }

  private async load (): Promise<void> {
    await this.options.state.reload(async () => await this.readKept())
    this.loaded = true
  }

  /** Does what was ordered since the start of this process, and not yet done here. */
  private async performMissed (): Promise<void> {
    const { state, keptOrders, timeoutMs } = this.options
    const orders = await waitAtMost(keptOrders.readSince(performance.now() - this.startedAtMs), timeoutMs, 'reading orders')
    for (const message of this.closed ? [] : orders) state.perform(message)
  }

  private async readKept (): Promise<ControlSnapshot> {
    const { state, store, timeoutMs } = this.options
    let kept = await waitAtMost(store.read(), timeoutMs, 'reading revocations and bans')
    if (this.dataSet !== null && kept.dataSet !== this.dataSet) {
      // Redis was emptied, or came back without its data: what this process knows still holds.
      await store.restore(state.known())
      kept = await waitAtMost(store.read(), timeoutMs, 'reading revocations and bans')
    }
    this.dataSet = kept.dataSet
    return kept
  }
}
