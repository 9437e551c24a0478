import { createTwoGenerationMap } from '../collections/two-generation-map.js'
import { atMostLongestTimer } from '../longest-timer.js'
import type { Heartbeat } from './heartbeat.js'
import { classifyFailure } from '../redis/failure.js'
import type { NodeStore } from './node-store.js'

/** A connection whose process is gone. */
export interface LostConnection {
  readonly node: string
  /** The node's own clock at its last heartbeat, in ms since the epoch; null: not known. */
  readonly seenAtMs: number | null
  readonly connectionId: string
  /** The lease record, as the limiter kept it. */
  readonly record: string
}

export interface TakeoverOptions {
  readonly store: Pick<NodeStore, 'findLost' | 'claim' | 'delist'>
  readonly heartbeat: Pick<Heartbeat, 'mayClaimUntilMs'>
  readonly leaseMs: number
  /** Monotonic, in ms. */
  readonly now: () => number
  /** Called once for each connection, in one process of the fleet; in two where Redis forgets what was claimed. */
  readonly onLost: (connection: LostConnection) => void
}

export interface Takeover {
  /** Looks for lost nodes from now on. */
  start (): void
  /** Resolves when nothing is being claimed any more. */
  stop (): Promise<void>
}

/** Looks for lost nodes at least six times a lease: a node counts as lost after 1.5 leases and must be found within 2. */
const LOOKS_PER_LEASE = 6
/** About 50,000 connections; the rest waits for the next look. */
const MAX_PAGES_PER_LOOK = 500
/** As long as Redis keeps what was claimed. */
const CLAIMED_LIFE_MS = 3_600_000
const MAX_CLAIMED = 200_000

/** Makes what claims the connections of lost nodes. Several processes may share those of one node. */
export function createTakeover ({ store, heartbeat, leaseMs, now, onLost }: TakeoverOptions): Takeover {
  // A replica that takes over may lack the claim, and have the records still.
  const claimed = createTwoGenerationMap<true>(MAX_CLAIMED, CLAIMED_LIFE_MS)
  let timer: NodeJS.Timeout | undefined
  let stopped = false
  let looking: Promise<void> = Promise.resolve()

  /** Returns how many pages are left for this look; 0 as well when claiming has to end. */
  async function claimAll (node: string, pages: number): Promise<number> {
    let cursor: string | null = '0'
    while (cursor !== null) {
      // Asked for each page anew: a process that stood still, or was cut off, no longer knows which nodes are lost.
      const untilMs = heartbeat.mayClaimUntilMs()
      if (stopped || pages === 0 || untilMs === null) return 0
      const page = await store.claim(node, untilMs, cursor)
      if (page === null) return pages - 1
      for (const { connectionId, record } of page.records) {
        if (claimed.get(connectionId) === true) continue
        claimed.set(connectionId, true, now())
        onLost({ node, seenAtMs: page.seenAtMs, connectionId, record })
      }
      pages--
      cursor = page.cursor
    }
    await store.delist(node)
    return pages
  }

  /**
   * A node whose records cannot be read must not keep the lost nodes behind it from their closed lines. Where a value of
   * another type stands at their key, nobody ever can: it is taken off the index.
   */
  async function claimWhole (node: string, pages: number): Promise<number> {
    try {
      return await claimAll(node, pages)
    } catch (error) {
      const failure = classifyFailure(error)
      if (failure.kind !== 'fault') throw error
      if (failure.code === 'WRONGTYPE') await store.delist(node)
      return pages
    }
  }

  async function look (): Promise<void> {
    const untilMs = heartbeat.mayClaimUntilMs()
    if (untilMs === null) return
    let pages = MAX_PAGES_PER_LOOK
    for (const node of await store.findLost(untilMs)) pages = await claimWhole(node, pages)
  }

  function lookLater (): void {
    // Jitter: the surviving processes ask one after the other, not at the same moment.
    timer = setTimeout(() => {
      // Redis being away is the heartbeat's affair.
      looking = look().catch(() => {}).then(() => { if (!stopped) lookLater() })
    }, atMostLongestTimer(leaseMs / LOOKS_PER_LEASE * (0.5 + Math.random() / 2))).unref()
  }

  return {
    start: lookLater,
    async stop () {
      stopped = true
      clearTimeout(timer)
      await looking
    }
  }
}
