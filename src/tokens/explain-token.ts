import { toClaimRules, type ClaimRules } from './claim-rules.js'
import { isProven, readConfirmation } from './confirmation.js'
import { explainClaims } from './explain-claims.js'
import type { TokenSettings } from './issuer-config.js'
import { isSignedWith, type IssuerKeys } from './issuer-keys.js'
import { nameSettings } from './issuer-settings.js'
import { readFormat } from './read-format.js'
import { showWhole } from './show-value.js'
import { decodeSegment, MAX_TOKEN_LENGTH, type TokenFormat } from './token-format.js'
import { isRfc9068Type, readTokenHeader, type TokenHeader } from './token-header.js'
import { failStep, passStep, unreachedStep, type TokenStep } from './token-step.js'

/** What a token is explained by. */
export interface ExplainDeps {
  /** The keys of all configured issuers; none are fetched. */
  readonly issuerKeys: readonly IssuerKeys[]
  readonly settings: TokenSettings
  /** Wall clock, ms since the epoch. */
  readonly nowMs: number
}

const JWE_PARTS = 5

function explainForm (token: string): TokenFormat | TokenStep {
  const format = readFormat(token)
  if (!('fault' in format)) return format
  const parts = token.split('.').length
  const shown = format.fault !== 'format' ? format.shown : parts === JWE_PARTS ? 'five parts: it is encrypted (JWE)' : `${parts} parts in place of 3, or characters that are not base64url`
  return failStep('form', format.fault, shown)
}

/** Which issuer judges a token: the only one, else the one that it names. */
function chooseIssuer (named: unknown, issuerKeys: readonly IssuerKeys[]): IssuerKeys | undefined {
  return issuerKeys.length === 1 ? issuerKeys[0] : issuerKeys.find(({ config }) => config.issuer === named)
}

function explainStranger (named: unknown, { issuerKeys }: ExplainDeps): TokenStep {
  const configured = issuerKeys.map(({ config }) => `${nameSettings(config).issuer} is ${showWhole(config.issuer)}`).join(', ')
  return failStep('issuer', 'unknown_issuer', `iss is ${showWhole(named)}, ${configured}`, { claim: 'iss' })
}

/** The step, and what the header says of the key; null: nothing that could be used. */
function explainHeader (segment: string, keys: IssuerKeys, rules: ClaimRules): { step: TokenStep, header: TokenHeader | null } {
  const { alg, kid, typ } = decodeSegment(segment) ?? {}
  const { algorithms, hmacSecret } = keys.config
  const allowed = hmacSecret === null ? algorithms : [...algorithms, 'HS256']
  const words = `alg is ${showWhole(alg)}, kid is ${showWhole(kid)}, typ is ${showWhole(typ)}; JWT_ALGORITHMS is ${allowed.join(', ')}, JWT_TYP is ${rules.reading.type}`
  const header = readTokenHeader(segment, rules.reading.type === 'at+jwt' ? isRfc9068Type : undefined)
  if (typeof header === 'string') return { step: failStep('header', header, words), header: null }
  if (keys.allows(header)) return { step: passStep('header', words), header }
  return { step: failStep('header', 'algorithm', words, { setting: 'JWT_ALGORITHMS' }), header: null }
}

function namePublished ({ source, config }: IssuerKeys): string {
  const published = [...source.current()?.byFingerprint.values() ?? []].map(({ keyId, checks }) => `${showWhole(keyId ?? undefined)} (${[...checks.keys()].join(', ')})`)
  return `${config.name} publishes ${published.length === 0 ? 'none that can be used' : published.slice(0, 10).join(', ')}`
}

/** The steps of the key and of the signature. */
function explainKey (token: string, format: TokenFormat, header: TokenHeader | null, keys: IssuerKeys): TokenStep[] {
  const unreached = unreachedStep('signature', 'there is no key to check it with')
  if (header === null) return [unreachedStep('key', 'its header names none that could be used'), unreached]
  const prepared = keys.find(header)
  const words = `kid is ${showWhole(header.keyId ?? undefined)}, alg is ${showWhole(header.algorithm)}; ${namePublished(keys)}`
  if (prepared !== null) {
    const isSigned = isSignedWith(prepared, token, format)
    return [passStep('key', words), isSigned ? passStep('signature', 'it is that key\'s') : failStep('signature', 'signature', null)]
  }
  return [keys.source.current() === null ? failStep('key', 'keys_unavailable', null) : failStep('key', 'unknown_key', words), unreached]
}

function explainBinding (claims: Readonly<Record<string, unknown>>): TokenStep {
  const confirmation = readConfirmation(claims)
  if (isProven(confirmation, undefined)) return passStep('binding', 'it is a bearer token: no cnf is in it')
  const how = confirmation?.jkt === null ? 'and no proof for that can be shown here' : 'so that it opens a connection by ticket alone, which its client asks for with a DPoP proof'
  return failStep('binding', 'sender_constrained', `cnf binds it, ${how}`, { claim: 'cnf' })
}

/**
 * What the verifier sees in a token, step by step, with both values where two are compared. Nothing is fetched, remembered or decided:
 * of the steps that fail the verifier answers one, a bad signature before any claim. What introspection and revocations say is not in it.
 */
export function explainToken (token: string, deps: ExplainDeps): TokenStep[] {
  const format = explainForm(token)
  if ('part' in format) return [format]
  const form = passStep('form', `three parts, ${token.length} characters of at most ${MAX_TOKEN_LENGTH}`)
  const claims = decodeSegment(token.slice(format.headerEnd + 1, format.payloadEnd))
  const keys = chooseIssuer(claims?.['iss'], deps.issuerKeys)
  if (keys === undefined) return [form, explainStranger(claims?.['iss'], deps)]
  const rules = toClaimRules(keys.config, deps.settings)
  const { step, header } = explainHeader(token.slice(0, format.headerEnd), keys, rules)
  const signed = [form, step, ...explainKey(token, format, header, keys)]
  if (claims === null) return [...signed, failStep('claims', 'payload', null)]
  return [...signed, ...explainClaims(claims, keys.config, rules, deps.nowMs), explainBinding(claims)]
}

/** The issuer that judges a token; undefined: none of the configured ones. */
export function findIssuerOf (token: string, issuerKeys: readonly IssuerKeys[]): IssuerKeys | undefined {
  const format = readFormat(token)
  if ('fault' in format) return undefined
  return chooseIssuer(decodeSegment(token.slice(format.headerEnd + 1, format.payloadEnd))?.['iss'], issuerKeys)
}
