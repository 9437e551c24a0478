import { isListed } from '../address/client-address.js'
import { createExplain } from '../explain/explain.js'
import type { Explain } from '../explain/explanation.js'
import { refuse, type Refusal } from '../refusals.js'
import { createAssumeClaims } from '../tokens/assume-claims.js'
import type { Connections } from './connections.js'
import { RESTARTING } from './gate.js'
import type { Ground } from './ground.js'
import type { Judges } from './judges.js'

const STARTING = refuse('unavailable', { retryAfterMs: 1000, detail: 'the process starts' })

/** Puts together what explains upgrades, of the very judges that decide them. */
export function composeExplain (ground: Ground, judges: Judges, { lifecycle }: Pick<Connections, 'lifecycle'>): Explain {
  const { config: { upgrade, limits, access, tokens, tickets }, phase, registry } = ground
  const { allowList, dryRun } = limits
  // Also where a process that drains has closed its port, and takes who had knocked before.
  const closed = (): Refusal | null => lifecycle.closed() ??
    (phase.current === 'starting' ? STARTING : phase.current === 'draining' ? RESTARTING : null)
  return createExplain({
    request: { settings: upgrade, closed },
    ownHost: tickets.publicUrl === null ? '' : new URL(tickets.publicUrl).host,
    address: {
      dryRun,
      windowMs: limits.addressWindowMs,
      isExempt: address => allowList !== null && isListed(address, allowList),
      bannedForMs: ({ key }) => judges.bannedForMs(key),
      knownBlockMs: judges.limits.knownBlockMs
    },
    token: {
      settings: tokens,
      issuerKeys: judges.issuerKeys,
      inspect: judges.tokens.inspect ?? null,
      isRevoked: judges.control.isRevoked,
      anonymous: judges.breakGlass.anonymous,
      now: Date.now
    },
    assumeClaims: createAssumeClaims(tokens, Date.now),
    permissions: { authorizer: judges.quietAuthorizer, settings: access },
    needsToken: judges.access.keepTokens,
    slots: { dryRun, limit: limits.userConnections, openHere: registry.countOf },
    readLimits: judges.limits.read
  })
}
