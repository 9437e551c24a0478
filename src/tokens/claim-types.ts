import type { ClaimReading } from './claim-reading.js'
import { showValue } from './show-value.js'

type Claims = Readonly<Record<string, unknown>>

/** The word for a claim of the wrong type that is read as if it were not there: the token is good, and lacks what the claim would give. */
export const CLAIM_TYPE = 'claim_type'

/** Why a claim counts for nothing, in words for operators, after {@link CLAIM_TYPE}. */
export const nameWrongType = (name: string, value: unknown, wanted: string): string => `${name} is ${showValue(value)}, wanted is ${wanted}`

/** What is wrong with the type of the claim that holds the scopes; null: nothing, or there is none. */
export function findScopeMistake (claims: Claims, { scope }: Pick<ClaimReading, 'scope'>): string | null {
  const name = firstNamed(claims, scope)
  const value = name === null ? null : claims[name]
  if (name === null || value === null || typeof value === 'string') return null
  if (Array.isArray(value) && value.every(each => typeof each === 'string')) return null
  return nameWrongType(name, value, 'a text with spaces between them, or a list of texts')
}

/** The same of those by which a token can be revoked (RFC 7519 section 4.1.7): of another type, no order finds the token by them. */
export function findNameMistakes (claims: Claims, { session }: Pick<ClaimReading, 'session'>): string[] {
  const names = ['jti', firstNamed(claims, session)]
  return names.flatMap(name => name === null || isTextOrNone(claims[name]) ? [] : [nameWrongType(name, claims[name], 'a text')])
}

function firstNamed (claims: Claims, names: readonly string[]): string | null {
  return names.find(name => claims[name] !== undefined) ?? null
}

function isTextOrNone (value: unknown): boolean {
  return value === undefined || value === null || typeof value === 'string'
}
