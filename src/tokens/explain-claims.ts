import { CLAIM_CHECKS, type ClaimPart } from './claims.js'
import type { ClaimRules } from './claim-rules.js'
import type { IssuerConfig } from './issuer-config.js'
import { nameSettings, type IssuerSettingNames } from './issuer-settings.js'
import { showWhole } from './show-value.js'
import { failStep, passStep, type TokenStep } from './token-step.js'

type Claims = Readonly<Record<string, unknown>>

/** What a part of the claims is held against. */
interface Held {
  readonly claims: Claims
  readonly rules: ClaimRules
  readonly names: IssuerSettingNames
  readonly nowMs: number
}

/** What stands in the claims and what is wanted of them, whether they fit or not; with the claim and the setting that are compared. */
interface Comparison {
  readonly words: string
  readonly claim?: string
  readonly setting?: string
}

const SECOND_MS = 1000
const isOrAre = (count: number): string => count === 1 ? 'is' : 'are'
const only = (values: ReadonlySet<string>): string | readonly string[] => values.size === 1 ? [...values].join() : [...values]

/** A time as in a claim, and how far it is from now. */
function showTime (name: string, value: unknown, nowMs: number): string {
  if (typeof value !== 'number' || !Number.isFinite(new Date(value * SECOND_MS).getTime())) return `${name} is ${showWhole(value)}`
  const seconds = Math.round((value * SECOND_MS - nowMs) / SECOND_MS)
  return `${name} is ${new Date(value * SECOND_MS).toISOString()} (${seconds < 0 ? `${-seconds} s ago` : `in ${seconds} s`})`
}

function compareAudience ({ claims, rules, names }: Held): Comparison {
  const { audience: claim } = rules.reading
  const party = rules.takesAuthorizedParty ? `, azp is ${showWhole(claims['azp'])}` : ''
  const wanted = only(rules.audience)
  return { words: `${claim} is ${showWhole(claims[claim])}${party}, ${names.audience} is ${showWhole(wanted)}`, claim, setting: names.audience }
}

function compareTimes ({ claims, rules, names, nowMs }: Held): Comparison {
  const times = ['iat', 'nbf', 'exp'].filter(name => name !== 'nbf' || claims[name] !== undefined).map(name => showTime(name, claims[name], nowMs))
  const bounds = `JWT_CLOCK_TOLERANCE_S is ${rules.clockToleranceMs / SECOND_MS}, ${names.lifetime} is ${rules.maxLifetimeMs / SECOND_MS}`
  return { words: `${times.join(', ')}; ${bounds}` }
}

function compareAssurance ({ claims, rules, names, nowMs }: Held): Comparison {
  const { assurance, maxAuthAgeMs } = rules
  const acr = assurance.size === 0 ? [] : [`acr is ${showWhole(claims['acr'])}, ${names.assurance} is ${showWhole(only(assurance))}`]
  const age = maxAuthAgeMs === null
    ? []
    : [`${showTime('auth_time', claims['auth_time'], nowMs)}, ${names.authAge} is ${maxAuthAgeMs / SECOND_MS}`]
  return { words: [...acr, ...age].join('; ') || 'any sign-in counts: JWT_ACR and JWT_MAX_AUTH_AGE_S are not set' }
}

/** Each part in words with both values. */
const COMPARISONS: Readonly<Record<ClaimPart, (held: Held) => Comparison>> = {
  claims: ({ claims, rules: { required } }) => {
    const missing = required.filter(name => !(name in claims))
    const shown = missing.length === 0 ? required : missing
    return { words: `${shown.join(', ')} ${isOrAre(shown.length)} ${missing.length === 0 ? 'there' : 'absent'}` }
  },
  issuer: ({ claims, rules: { issuer }, names }) =>
    ({ words: `iss is ${showWhole(claims['iss'])}, ${names.issuer} is ${showWhole(issuer)}`, claim: 'iss', setting: names.issuer }),
  user: ({ claims, rules: { reading: { user } } }) => {
    const subject = user === 'sub' ? '' : `, sub is ${showWhole(claims['sub'])}`
    return { words: `${user} is ${showWhole(claims[user])}${subject}`, claim: user }
  },
  kind: ({ rules: { reading } }) => ({ words: `nothing in its claims makes it another kind than an access token; JWT_TYP is ${reading.type}` }),
  audience: compareAudience,
  assurance: compareAssurance,
  times: compareTimes
}

/**
 * What each check of the claims finds, in the order in which a fault is answered: the checks are the verifier's own, and all are made,
 * whatever one of them finds. For operators: holds values of the claims, bounded and escaped.
 */
export function explainClaims (claims: Claims, config: IssuerConfig, rules: ClaimRules, nowMs: number): TokenStep[] {
  const held = { claims, rules, names: nameSettings(config), nowMs }
  return CLAIM_CHECKS.map(({ part, find }) => {
    const found = find(claims, rules, nowMs)
    const { words, ...more } = COMPARISONS[part](held)
    if (found === null) return passStep(part, words, more)
    // What the check itself shows is more exact where no two values are compared.
    return failStep(part, found.fault, part === 'kind' ? found.shown ?? words : words, more)
  })
}
