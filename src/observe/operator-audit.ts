import { boundText, redactToken } from './log/log-text.js'
import type { WriteLine } from './log/log.js'
import { createRefusalSampler } from './refusal-sampler.js'

/** What an operator had done by the admin port. */
export interface AdminAction {
  readonly action: 'revoke' | 'unrevoke' | 'ban' | 'unban' | 'disconnect' | 'recheck' | 'explain'
  /** Whom: a user id, an address, `jti:<id>` and the like; `*`: everybody. */
  readonly target: string
  /** Configured name of the issuer that a revocation is limited to. */
  readonly issuer?: string
  /** Of a ban. */
  readonly durationMs?: number
  /** Of the operator's peer. */
  readonly ip: string
  /** HTTP status that was answered. */
  readonly status: number
  /** Why it was not done, for operators. */
  readonly detail?: string
}

/** Writes down what is asked of the gateway with a secret, and with a wrong one. No function throws or blocks. */
export interface OperatorAudit {
  adminAction (action: AdminAction): void
  /** `secret`: which one was guessed; what was shown is never told. Sampled by address. */
  wrongSecret (secret: 'admin' | 'publish', addressKey: string): void
  /** Writes the counts held back and stops the timer. */
  close (): void
}

const MAX_TARGET = 512
const WRITTEN_PER_INTERVAL = 10
const MAX_ADDRESSES = 10_000
const SAMPLE_INTERVAL_MS = 10_000

/** Makes the audit of one process's endpoints. */
export function createOperatorAudit (write: WriteLine): OperatorAudit {
  const sampler = createRefusalSampler({
    writtenPerInterval: WRITTEN_PER_INTERVAL,
    maxAddresses: MAX_ADDRESSES,
    onSuppressed (ip, reason, count) { write({ event: 'secret.refused', ip, reason, suppressed: count - 1 }) }
  })
  const timer = setInterval(sampler.sweep, SAMPLE_INTERVAL_MS).unref()
  return {
    adminAction ({ action, target, issuer, durationMs, ip, status, detail }) {
      write({ event: 'admin.action', action, target: boundText(redactToken(target), MAX_TARGET), issuer, duration_ms: durationMs, ip, status, detail })
    },
    wrongSecret (secret, ip) {
      if (sampler.admit(ip, 'invalid_token')) write({ event: 'secret.refused', ip, reason: 'invalid_token', secret })
    },
    close () {
      clearInterval(timer)
      sampler.sweep()
    }
  }
}
