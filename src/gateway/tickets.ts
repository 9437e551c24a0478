import { randomBytes } from 'node:crypto'
import { createMemoryTicketStore } from '../tickets/memory-store.js'
import { createRedisTicketStore } from '../tickets/redis-store.js'
import type { TicketStore } from '../tickets/ticket-store.js'
import { createTicketTexts } from '../tickets/ticket-text.js'
import { createTickets, type Tickets } from '../tickets/tickets.js'
import type { Ground } from './ground.js'
import type { ResumeKey } from './resume-key.js'

/** Tickets, and what they and proofs are kept in. */
export interface TicketsPart extends Tickets, Pick<TicketStore, 'noteProof'> {}

const KEY_BYTES = 32

/** Puts the tickets together: in Redis for all processes, in memory for one alone, whose tickets end with it. */
export function composeTickets ({ config, redis, metrics }: Ground, resumeKey: Pick<ResumeKey, 'current'>): TicketsPart {
  const prefix = config.redis?.prefix ?? ''
  const isAlone = redis === null && config.server.resumeKeys.length === 0
  const own = [randomBytes(KEY_BYTES)]
  const texts = createTicketTexts({ keys: isAlone ? () => own : resumeKey.current, prefix, anyAddress: config.tickets.anyAddress })
  const store = redis === null ? createMemoryTicketStore() : createRedisTicketStore(redis.commands, prefix)
  return { ...createTickets({ texts, store, onOutcome: metrics.ticket }), noteProof: store.noteProof }
}
