import type { IssuerConfig } from './issuer-config.js'
import { isSignedWith, type IssuerKeys } from './issuer-keys.js'
import type { TokenFault } from './token-fault.js'
import { decodeSegment, readTokenFormat } from './token-format.js'
import { readTokenHeader } from './token-header.js'

/** What is wrong with a statement, for the log: the whole vocabulary. */
export interface StatementFault {
  readonly fault: TokenFault | 'too_old' | 'jti' | 'nonce' | 'events' | 'session' | 'session_missing' | 'subject_missing'
  /** More exactly; it may quote a claim, bounded. */
  readonly detail?: string
}

/** What one kind of statement must be. */
export interface StatementRules<T> {
  /** Media types that the header's `typ` may name, in lower case and without `application/`; '' stands for no `typ`. */
  readonly types: ReadonlySet<string>
  /** Reads claims of this issuer, of which nothing was checked but `iss`. `nowMs`: wall clock. */
  read (claims: Readonly<Record<string, unknown>>, issuer: IssuerConfig, nowMs: number): T | StatementFault
}

/** What the keys at hand and the rules say. */
export type JudgedStatement<T> =
  { readonly kind: 'good', readonly issuer: IssuerConfig, readonly statement: T } |
  { readonly kind: 'fault', readonly issuer: IssuerConfig | null, readonly fault: StatementFault } |
  { readonly kind: 'no_key', readonly keys: IssuerKeys }

export type JudgeStatement<T> = (token: string, nowMs: number) => JudgedStatement<T>

const isFault = <T>(read: T | StatementFault): read is StatementFault => typeof read === 'object' && read !== null && 'fault' in read

/**
 * Makes the judge of what issuers say in a signed token that opens nothing: logout tokens, security event tokens (RFC 8417). The keys
 * are those of access tokens; no verdict about one is ever one about the other. Never throws.
 */
export function createStatementJudge<T extends object> (issuers: readonly IssuerKeys[], rules: StatementRules<T>): JudgeStatement<T> {
  const byIssuer = new Map(issuers.map(keys => [keys.config.issuer, keys]))
  const isType = (type: unknown): boolean => {
    if (type === undefined) return rules.types.has('')
    const name = typeof type === 'string' ? type.toLowerCase().replace(/^application\//, '') : ''
    return name !== '' && rules.types.has(name)
  }

  return (token, nowMs) => {
    const refuse = (fault: StatementFault['fault'], issuer: IssuerConfig | null = null): JudgedStatement<T> =>
      ({ kind: 'fault', issuer, fault: { fault } })
    const format = readTokenFormat(token)
    if (format === null) return refuse('format')
    const header = readTokenHeader(token.slice(0, format.headerEnd), isType)
    if (typeof header === 'string') return refuse(header)
    const claims = decodeSegment(token.slice(format.headerEnd + 1, format.payloadEnd))
    if (claims === null) return refuse('payload')
    const keys = typeof claims['iss'] === 'string' ? byIssuer.get(claims['iss']) : undefined
    if (keys === undefined) return refuse('unknown_issuer')
    const { config: issuer } = keys
    if (!keys.allows(header)) return refuse('algorithm', issuer)
    const key = keys.find(header)
    if (key !== null && !isSignedWith(key, token, format)) return refuse('signature', issuer)
    const read = rules.read(claims, issuer, nowMs)
    if (isFault(read)) return { kind: 'fault', issuer, fault: read }
    // What is wrong whatever the key may be is worth no fetch.
    return key === null ? { kind: 'no_key', keys } : { kind: 'good', issuer, statement: read }
  }
}
