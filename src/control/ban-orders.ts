import { createBans } from './bans.js'

/** Bans that this process orders by itself: in force here at once, and everywhere as soon as that can be kept. */
export interface BanOrders {
  ban (address: string): void
  /** How long an address is banned here only, in ms; 0: not at all, or everywhere. */
  bannedForMs (address: string): number
  close (): void
}

export interface BanOrdersOptions {
  /** Bans an address on every process; rejects when that cannot be kept. */
  readonly order: (address: string, durationMs: number) => Promise<void>
  readonly durationMs: number
  /** An address is banned here only, for now; `remainingMs`: what is left of the ban, 1 or more. */
  readonly onHeld: (address: string, remainingMs: number) => void
  readonly retryMs?: number
  /** In ms. */
  readonly now?: () => number
}

/** Bans held at once; beyond, those that end first are forgotten. */
const MAX_HELD = 10_000
const RETRY_MS = 1000

/** Makes orders that an outage only delays. */
export function createBanOrders ({ order, durationMs, onHeld, retryMs = RETRY_MS, now = Date.now }: BanOrdersOptions): BanOrders {
  const held = createBans(now, MAX_HELD)
  let timer: NodeJS.Timeout | undefined
  let closed = false

  function retryLater (): void {
    if (closed || timer !== undefined || held.size() === 0) return
    timer = setTimeout(() => {
      void retry().finally(() => {
        timer = undefined
        retryLater()
      })
    }, retryMs).unref()
  }
  /** One after the other, until the first that still cannot be kept. */
  async function retry (): Promise<void> {
    for (const { address, remainingMs } of held.list()) {
      const kept = await order(address, remainingMs).then(() => true, () => false)
      if (!kept || closed) return
      held.remove(address)
    }
  }

  return {
    ban (address) {
      // In force here before anybody is asked: an order may take its time to fail, and the address goes on meanwhile.
      held.add({ address, remainingMs: durationMs })
      order(address, durationMs).then(() => { held.remove(address) }, () => {
        if (closed) return
        onHeld(address, held.bannedForMs(address))
        retryLater()
      })
    },
    bannedForMs: held.bannedForMs,
    close () {
      closed = true
      clearTimeout(timer)
    }
  }
}
