import { isListed } from '../address/client-address.js'
import { createAddressState } from '../connection/address-state.js'
import { httpRefusal } from '../connection/answer-refusal.js'
import { checkOrigin } from '../connection/check-origin.js'
import type { Route } from '../http/route.js'
import { createTicketRoutes } from '../http/routes/tickets.js'
import { createTicketDesk, TICKETS_PATH } from '../tickets/ticket-desk.js'
import { TICKET_LIFE_MS } from '../tickets/ticket-text.js'
import { PROOF_ALGORITHMS } from '../tokens/dpop-proof.js'
import { createGate } from './gate.js'
import type { Ground } from './ground.js'
import type { Judges } from './judges.js'

/** Puts together where tickets are asked for. */
export function composeTicketRoutes (ground: Ground, judges: Judges): Route[] {
  const { config } = ground
  const { upgrade, limits: { allowList, dryRun } } = config
  const { limits: { limiter, blockedForMs }, bannedForMs, identify, tickets, report } = judges
  const desk = createTicketDesk({
    target: { publicUrl: config.tickets.publicUrl, isTls: config.server.tls !== null },
    deadlineMs: upgrade.deadlineMs,
    maxPending: upgrade.maxPending,
    gate: createGate(ground),
    addresses: createAddressState({ blockedForMs, bannedForMs: ({ key }) => dryRun ? 0 : bannedForMs(key) }),
    isExempt: address => allowList !== null && isListed(address, allowList),
    dryRun,
    limiter,
    identify,
    tickets,
    proofs: tickets,
    report
  })
  return createTicketRoutes({
    path: TICKETS_PATH,
    lifeMs: TICKET_LIFE_MS,
    proofAlgorithms: PROOF_ALGORITHMS,
    checkOrigin: (origin, host) => checkOrigin(origin, host, upgrade),
    ask: desk.ask,
    noteForeign: desk.noteForeign,
    render: httpRefusal
  })
}
