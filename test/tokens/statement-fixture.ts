import type { IssuerConfig } from '../../src/tokens/issuer-config.js'
import { createIssuerKeys, type IssuerKeys } from '../../src/tokens/issuer-keys.js'
import { buildKeySet } from '../../src/tokens/key-set.js'
import type { JudgedStatement } from '../../src/tokens/statement.js'
import { generateKey, signToken, type IssuerKey } from '../support/issuer.js'

export const ISSUER = 'https://issuer.example'
export const NOW_S = 1_795_000_000

export interface Signer {
  readonly keys: IssuerKeys
  readonly key: IssuerKey
  sign (claims: object, header?: object, key?: IssuerKey): string
}

/** An issuer whose keys are at hand, with what it signs by. */
export function createSigner (config: Partial<IssuerConfig> = {}): Signer {
  const key = generateKey('RS256', 'k1')
  const issuer: IssuerConfig = {
    name: 'main', preset: 'oidc', issuer: ISSUER, audience: ['portcullis'], jwksUri: null, algorithms: ['RS256', 'ES256'], hmacSecret: null, introspection: null, ...config
  }
  const { keys: set } = buildKeySet([key.jwk], issuer.algorithms, new Map())
  const keys = createIssuerKeys(issuer, {
    current: () => set,
    refresh: () => null,
    hurry: () => null,
    waitMs: () => 0,
    isFrom: () => true,
    close () {},
    status: () => { throw new Error('not asked for here') }
  })
  const sign = (claims: object, header: object = {}, by = key): string => signToken({ alg: by.alg, kid: by.kid, ...header }, claims, by)
  return { keys, key, sign }
}

/** A verdict in a word: `good`, `no_key`, or the fault. */
export function outcomeOf (judged: JudgedStatement<object>): string {
  return judged.kind === 'fault' ? judged.fault.fault : judged.kind
}
