import type { Logger } from 'pino'
import type { Audit } from '../observe/audit.js'
import type { Config } from '../config/config.js'
import { createIdentify, type Identify } from '../connection/identify.js'
import type { Control } from '../control/control.js'
import type { Identity } from '../tokens/identity.js'
import type { TokenVerifier } from '../tokens/token-verifier.js'
import { createTokenVerifier } from '../tokens/verify.js'

export interface IdentityPart {
  readonly tokens: TokenVerifier
  readonly identify: Identify
  /** Resolves when every issuer was tried once. */
  start (): Promise<void>
  close (): void
}

const WARN_EVERY_MS = 60_000
const NO_SCOPES: ReadonlySet<string> = new Set()

/** Puts together who is let in as whom: the issuers, revocations, and break-glass while it lasts. */
export function composeIdentity (config: Config, audit: Audit, control: Control, log: Logger): IdentityPart {
  const tokens = createTokenVerifier(config.tokens, {
    onRefreshed: (issuer, { keys }) => { audit.jwksRefreshed(issuer, keys) },
    onFailed: (issuer, reason) => { audit.jwksFailed(issuer, reason) }
  })
  const untilMs = config.insecureUntilMs
  const anonymous: Identity | null = untilMs === null
    ? null
    : { userId: 'anonymous', subject: 'anonymous', issuer: '', claims: {}, expiresAtMs: untilMs, issuedAtMs: null, tokenId: null, sessionId: null, scopes: NO_SCOPES, insecure: true }
  const warn = (): void => {
    if (untilMs === null) return
    const until = new Date(untilMs).toISOString()
    if (Date.now() >= untilMs) {
      clearInterval(warning)
      log.warn({ event: 'insecure.ended', until })
    } else log.warn({ event: 'insecure.open', insecure: true, until })
  }
  const warning = setInterval(warn, WARN_EVERY_MS)
  warning.unref()
  return {
    tokens,
    identify: createIdentify({
      tokens,
      isRevoked: control.isRevoked,
      anonymous: () => untilMs !== null && Date.now() < untilMs ? anonymous : null
    }),
    async start () {
      warn()
      await tokens.start()
    },
    close () {
      clearInterval(warning)
      tokens.close()
    }
  }
}
