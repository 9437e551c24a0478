import type { Heartbeat } from './heartbeat.js'
import type { NodeStore } from './node-store.js'

/** A connection whose process is gone. */
export interface LostConnection {
  readonly node: string
  /** The node's own clock at its last heartbeat, in ms since the epoch; null: not known. */
  readonly seenAtMs: number | null
  readonly connectionId: string
  /** As the limiter kept it. */
  readonly record: string
}

export interface ClaimsOptions {
  readonly store: Pick<NodeStore, 'findLost' | 'claim' | 'strike'>
  readonly heartbeat: Pick<Heartbeat, 'mayClaimUntilMs'>
  readonly leaseMs: number
  /** Called once for each connection, by one process of all. */
  readonly onLost: (connection: LostConnection) => void
}

export interface Claims {
  /** Looks for lost nodes from now on. */
  start (): void
  /** Resolves when nothing is being claimed any more. */
  stop (): Promise<void>
}

/** Lost nodes are looked for so often: they may be found within two leases, of which one and a half are waited. */
const LOOKS_PER_LEASE = 6
/** About 50,000 connections; the rest in the next turn. */
const MAX_PAGES_PER_TURN = 500

/** Makes what claims the connections of lost nodes: those of one node may be shared among several claimants. */
export function createClaims ({ store, heartbeat, leaseMs, onLost }: ClaimsOptions): Claims {
  let timer: NodeJS.Timeout | undefined
  let stopped = false
  let turn: Promise<void> = Promise.resolve()

  /** Returns how many pages are left for this turn; 0 as well when claiming has to end. */
  async function claimAll (node: string, pages: number): Promise<number> {
    let cursor: string | null = '0'
    while (cursor !== null) {
      // Asked for each page anew: a claimant that stood still, or was cut off, no longer knows who is lost.
      const untilMs = heartbeat.mayClaimUntilMs()
      if (stopped || pages === 0 || untilMs === null) return 0
      const page = await store.claim(node, untilMs, cursor)
      if (page === null) return pages - 1
      for (const { connectionId, record } of page.records) onLost({ node, seenAtMs: page.seenAtMs, connectionId, record })
      pages--
      cursor = page.cursor
    }
    await store.strike(node)
    return pages
  }

  async function look (): Promise<void> {
    const untilMs = heartbeat.mayClaimUntilMs()
    if (untilMs === null) return
    let pages = MAX_PAGES_PER_TURN
    for (const node of await store.findLost(untilMs)) pages = await claimAll(node, pages)
  }

  function lookLater (): void {
    // Jitter: survivors take turns rather than ask at the same moment.
    timer = setTimeout(() => {
      // Redis being away is the heartbeat's affair.
      turn = look().catch(() => {}).then(() => { if (!stopped) lookLater() })
    }, leaseMs / LOOKS_PER_LEASE * (0.5 + Math.random() / 2)).unref()
  }

  return {
    start: lookLater,
    async stop () {
      stopped = true
      clearTimeout(timer)
      await turn
    }
  }
}
