import { LRUCache } from 'lru-cache'
import type { TicketStore } from './ticket-store.js'

/** Tickets, and proofs, that are held at once; beyond that the oldest are forgotten. */
const MAX_ENTRIES = 50_000

/** Keeps tickets in this process's memory: without Redis there is no other. `now`: monotonic, in ms. */
export function createMemoryTicketStore (now: () => number = () => performance.now()): TicketStore {
  const options = { max: MAX_ENTRIES, ttlResolution: 0, perf: { now } }
  const tickets = new LRUCache<string, string>(options)
  const proofs = new LRUCache<string, true>(options)
  return {
    async keep (name, sealed, lifeMs) { tickets.set(name, sealed, { ttl: lifeMs }) },
    async take (name) {
      const sealed = tickets.get(name) ?? null
      tickets.delete(name)
      return sealed
    },
    async noteProof (id, memoryMs) {
      if (proofs.has(id)) return false
      proofs.set(id, true, { ttl: memoryMs })
      return true
    }
  }
}
