import { isListed, type ClientAddress } from '../address/client-address.js'
import { withoutAudience } from '../config/logout-audiences.js'
import type { Route } from '../http/route.js'
import { createIssuerWordRoutes } from '../http/routes/issuer-word.js'
import { createCarryOut } from '../issuer-word/carry-out.js'
import { createHearing, type Hearing } from '../issuer-word/hearing.js'
import { ordersOfEvents } from '../issuer-word/orders-of-events.js'
import { ordersOfLogout } from '../issuer-word/orders-of-logout.js'
import { createSpentIds } from '../issuer-word/spent-ids.js'
import { createIssuerAudit } from '../observe/issuer-audit.js'
import { writeEvent } from '../observe/log/log.js'
import { waitAtMost } from '../redis/bounded-wait.js'
import { createLogoutTokenRules, type LogoutToken } from '../tokens/logout-token.js'
import { createSecurityEventRules, type SecurityEvents } from '../tokens/security-event.js'
import { createStatementJudge } from '../tokens/statement.js'
import type { Exits } from './exits.js'
import type { Ground } from './ground.js'
import type { Judges } from './judges.js'

/** How long the count of an attempt is waited for before it is answered without. */
const CHARGE_MS = 300
/** By its `iat` a logout token counts for five minutes, and may wait five for its key; a signal is as true an hour later. */
const SPENT_MS = 3_600_000

/** What a bad statement costs its address: as much as a bad token, an attempt in its window. */
function createCharge ({ config }: Ground, { limits, strike }: Judges): (address: ClientAddress) => Promise<number> {
  const { allowList, dryRun } = config.limits
  const retryAfterMs = async (key: string): Promise<number> => {
    const blockedForMs = limits.blockedForMs(key)
    if (blockedForMs > 0) return blockedForMs
    const admission = await limits.limiter.admit({ address: key, lease: null })
    return admission.admitted ? 0 : admission.retryAfterMs
  }
  return async (address) => {
    if (allowList !== null && isListed(address, allowList)) return 0
    // Where the limits cannot decide, the statement is refused all the same.
    const waitMs = await waitAtMost(retryAfterMs(address.key), CHARGE_MS, 'counting an attempt').catch(() => 0)
    if (dryRun) return 0
    if (waitMs > 0) strike(address)
    return waitMs
  }
}

function tellUnheard ({ config, log }: Ground): void {
  for (const { issuer, reason } of withoutAudience(config)) writeEvent(log, { event: 'logout.unheard', issuer, reason })
}

/** Puts together what issuers tell beside tokens: logouts and signals, which become revocations. */
export function composeIssuerWord (ground: Ground, judges: Judges, exits: Pick<Exits, 'add'>): readonly Route[] {
  const { config, log, redis, metrics } = ground
  const { issuerKeys, control } = judges
  const { logout, signals } = config.issuerWord
  if (issuerKeys.length === 0 || (logout === null && signals === null)) return []
  tellUnheard(ground)
  const audit = createIssuerAudit((line) => { writeEvent(log, line) }, metrics)
  exits.add(audit.close)
  const spent = createSpentIds({ client: redis?.commands ?? null, prefix: config.redis?.prefix ?? '', keptMs: SPENT_MS })
  const shared = { carryOut: createCarryOut({ control, spent }), charge: createCharge(ground, judges) }
  const open = (hearing: Hearing): Hearing => {
    exits.add(hearing.close)
    return hearing
  }
  const { clockToleranceMs } = config.tokens
  return createIssuerWordRoutes({
    logouts: logout === null
      ? null
      : open(createHearing<LogoutToken>({
        ...shared,
        judge: createStatementJudge(issuerKeys, createLogoutTokenRules({ ...logout, clockToleranceMs })),
        interpret: (token, { name }) => ordersOfLogout(token, name),
        report: audit.reports.logout
      })),
    signals: signals === null
      ? null
      : open(createHearing<SecurityEvents>({
        ...shared,
        judge: createStatementJudge(issuerKeys, createSecurityEventRules(signals.audience, clockToleranceMs)),
        interpret: ordersOfEvents,
        report: audit.reports.signal
      })),
    authorization: signals?.authorization ?? null
  })
}
