import { createHash } from 'node:crypto'
import { createTwoGenerationMap } from '../collections/two-generation-map.js'
import { waitAtMost } from '../redis/bounded-wait.js'
import type { RedisClient } from '../redis/client.js'
import { spentStatement } from '../redis/keys.js'

/** The ids of statements whose orders stand. */
export interface SpentIds {
  /** Whether this statement's orders stand. While Redis does not answer, what this process knows. Never rejects. */
  has (issuer: string, id: string): Promise<boolean>
  /** Its orders stand from now on. Never rejects: to do them again does no harm. */
  add (issuer: string, id: string): Promise<void>
}

export interface SpentIdsOptions {
  /** Null: this process alone remembers. */
  readonly client: RedisClient | null
  readonly prefix: string
  /** How long one is remembered, at least, in ms: longer than a statement counts. */
  readonly keptMs: number
  /** How long Redis is waited for, in ms. */
  readonly timeoutMs?: number
  /** Monotonic, in ms. */
  readonly now?: () => number
}

const MAX_IDS = 100_000
const TIMEOUT_MS = 150

/** Makes the memory of ids, in Redis for all processes. What issuers sign alone gets in, so nobody else can fill it. */
export function createSpentIds (options: SpentIdsOptions): SpentIds {
  const { client, prefix, keptMs, timeoutMs = TIMEOUT_MS, now = () => performance.now() } = options
  const known = createTwoGenerationMap<number>(MAX_IDS, keptMs)
  const nameOf = (issuer: string, id: string): string => createHash('sha256').update(JSON.stringify([issuer, id])).digest('base64url')
  const isKnown = (name: string): boolean => now() - (known.get(name) ?? -Infinity) < keptMs

  return {
    async has (issuer, id) {
      const name = nameOf(issuer, id)
      if (isKnown(name) || client === null) return isKnown(name)
      const kept = await waitAtMost(client.get(spentStatement(prefix, name)), timeoutMs, 'reading a spent id').catch(() => null)
      return kept !== null
    },
    async add (issuer, id) {
      const name = nameOf(issuer, id)
      known.set(name, now(), now())
      if (client === null) return
      await waitAtMost(client.set(spentStatement(prefix, name), '1', 'PX', keptMs), timeoutMs, 'keeping a spent id').catch(() => {})
    }
  }
}
