import type { Audit } from '../observe/audit.js'
import type { UpgradeSettings } from '../config/config.js'
import { httpRefusal } from '../connection/answer-refusal.js'
import { findAddress, type FoundAddress } from '../connection/find-address.js'
import type { Report } from '../connection/report.js'
import type { UpgradeHead } from '../connection/transport.js'
import type { Metrics } from '../observe/metrics/metrics.js'
import { refuse, type Refusal } from '../refusals.js'
import type { RenderedAnswer } from '../http/render-answer.js'

/** What the main port does with requests that reach no connection. */
export interface PlainRequests {
  /** Who sends a request, as for an upgrade. */
  findClient (head: UpgradeHead): FoundAddress
  /** Answers a request that is no upgrade on a WebSocket path, or none that the native layer knows as one; counted and written down. */
  refuseOther (head: UpgradeHead, isUpgrade: boolean): RenderedAnswer
}

export interface PlainRequestsDeps {
  readonly settings: UpgradeSettings
  readonly isWebSocketPath: (path: string) => boolean
  readonly audit: Audit
  readonly metrics: Metrics
  readonly report: Report
}

/** Puts together how requests beside the upgrades are judged and written down. */
export function composePlainRequests ({ settings, isWebSocketPath, audit, metrics, report }: PlainRequestsDeps): PlainRequests {
  function findClient (head: UpgradeHead): FoundAddress {
    const found = findAddress(head, settings)
    if (found.untrustedHeader) report.untrustedForwardedFor(found.address)
    return found
  }

  function judge (path: string, isUpgrade: boolean): Refusal {
    if (!isWebSocketPath(path)) return refuse('not_found')
    return isUpgrade ? refuse('bad_request', { message: 'Sec-WebSocket-Key must be 16 bytes in base64' }) : refuse('upgrade_required')
  }

  return {
    findClient,
    refuseOther (head, isUpgrade) {
      const startedMs = performance.now()
      const found = findClient(head)
      const refusal = found.refusal ?? judge(head.path, isUpgrade)
      const facts = { address: found.address, path: head.path, userId: null, issuer: null, insecure: false }
      const durationMs = performance.now() - startedMs
      if (isUpgrade) {
        report.refused({ ...facts, durationMs, byClose: false, traceparent: found.traceparent }, refusal)
      } else {
        // A page that someone asked for is no upgrade attempt, and must not shift their rates.
        metrics.refused(refusal.name)
        audit.refused({ ...facts, connectionId: null }, { reason: refusal.name, durationMs })
      }
      return httpRefusal(refusal)
    }
  }
}
