import { steadyNow } from '../clocks.js'
import type { Audit } from '../observe/audit.js'
import type { ConnectionFacts, PresentedFacts } from '../observe/facts.js'
import type { Report, RefusedUpgrade } from '../connection/report.js'
import type { Session } from '../connection/session.js'
import type { Metrics } from '../observe/metrics/metrics.js'
import { LEAKED_KEYS } from '../tokens/name-mistake.js'
import { readParties } from '../tokens/parties.js'

/** A place of the code where something threw, and a bounded word about what. */
export type OnFault = (error: unknown, where: string) => void

function sessionFacts (session: Session): ConnectionFacts {
  const { identity: { userId, issuer, insecure }, connectionId, address, path } = session
  return { connectionId, userId, address, issuer: insecure ? null : issuer, path, insecure }
}

function upgradeFacts ({ userId, issuer, address, path, insecure }: RefusedUpgrade): ConnectionFacts {
  return { connectionId: null, userId, address, issuer: insecure ? null : issuer, path, insecure }
}

function presentedFacts (origin = '', claims: Readonly<Record<string, unknown>> = {}): PresentedFacts {
  return { origin: origin === '' ? null : origin, ...readParties(claims) }
}

/** Counts what a connection sent and got since it was last counted: at each scrape and at its end, not per message. */
export function countMessages (metrics: Metrics, session: Session): void {
  metrics.message('in', session.messagesIn - session.countedIn)
  metrics.message('out', session.messagesOut - session.countedOut)
  session.countedIn = session.messagesIn
  session.countedOut = session.messagesOut
}

/** Writes each step of a connection's life to the log and the metrics. */
export function createReport (audit: Audit, metrics: Metrics, onFault: OnFault, dryRun: boolean): Report {
  return {
    accepted (session, durationMs, origin) {
      metrics.upgrade('accepted', durationMs / 1000)
      audit.accepted(sessionFacts(session), durationMs, presentedFacts(origin, session.identity.claims))
    },
    refused (upgrade, { name, detail }) {
      const { byClose, durationMs } = upgrade
      if (LEAKED_KEYS.has(detail ?? '')) audit.serviceKey(upgrade.address.ip, detail ?? '')
      metrics.upgrade('refused', durationMs / 1000)
      metrics.refused(name, detail === 'unknown_key')
      audit.refused(upgradeFacts(upgrade), { reason: name, detail, byClose, durationMs }, presentedFacts(upgrade.origin, upgrade.claims))
    },
    ticketRefused (request, { name, detail }) {
      if (LEAKED_KEYS.has(detail ?? '')) audit.serviceKey(request.address.ip, detail ?? '')
      metrics.ticket('refused')
      metrics.refused(name)
      audit.refused(upgradeFacts(request), { reason: name, detail, durationMs: request.durationMs })
    },
    wouldRefuse (upgrade, { name }) {
      const refused = { reason: name, dryRun: true, durationMs: upgrade.durationMs }
      audit.refused(upgradeFacts(upgrade), refused, presentedFacts(upgrade.origin, upgrade.claims))
    },
    aborted (upgrade) { metrics.upgrade('aborted', upgrade.durationMs / 1000) },
    closed (session, code, reason) {
      countMessages(metrics, session)
      metrics.closed(code)
      const { messagesIn, messagesOut } = session
      audit.closed(sessionFacts(session), { reason, code, durationMs: steadyNow() - session.openedAtMs, messagesIn, messagesOut })
    },
    messageAllowed () { metrics.limitDecision('message', 'allowed') },
    recovery (isRecovered) { metrics.recovery(isRecovered ? 'recovered' : 'lost') },
    messageLimited (session) {
      metrics.limitDecision('message', dryRun ? 'would_refuse' : 'refused')
      audit.messageLimited(sessionFacts(session), dryRun)
    },
    accessDenied (session, topics, detail) { audit.accessDenied(sessionFacts(session), topics, detail) },
    untrustedForwardedFor (peer) { audit.untrustedForwardedFor(peer.ip) },
    fault: onFault
  }
}
