import type { RedisClient } from '../redis/client.js'
import { createTicketKeys } from '../redis/keys.js'
import type { TicketStore } from './ticket-store.js'

/** Keeps tickets in Redis: one command each, which is sent once. Rejects as the client does. */
export function createRedisTicketStore (client: RedisClient, prefix: string): TicketStore {
  const keys = createTicketKeys(prefix)
  return {
    async keep (name, sealed, lifeMs) { await client.set(keys.ticket(name), sealed, 'PX', lifeMs) },
    take: async name => await client.getdel(keys.ticket(name)),
    noteProof: async (id, memoryMs) => await client.set(keys.proof(id), 1, 'PX', memoryMs, 'NX') === 'OK'
  }
}
