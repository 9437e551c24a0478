import { generateKeyPairSync, randomUUID, sign, type JsonWebKey } from 'node:crypto'
import { MISSED_CLAIMS } from './missed-events.js'

/** Whose tokens the visitors bring: made for one warm-up. Its name is no address, so that nobody can be asked for its keys. */
export interface PassIssuer {
  /** The public key alone. */
  readonly jwk: JsonWebKey
  /** A token of a user that nobody else is. */
  issue (): string
}

export const PASS_ALGORITHM = 'ES256'
const KEY_ID = 'pass'
const VALID_S = 60

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')

/** Makes a key that only this thread has, and signs with it. P-256: making the key takes no time, where RSA takes up to half a second. */
export function createPassIssuer (issuer: string): PassIssuer {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const header = encode({ alg: PASS_ALGORITHM, kid: KEY_ID, typ: 'JWT' })
  return {
    jwk: { ...publicKey.export({ format: 'jwk' }), kid: KEY_ID, alg: PASS_ALGORITHM, use: 'sig' },
    issue () {
      const nowS = Math.floor(Date.now() / 1000)
      const [sub, jti, sid] = [randomUUID(), randomUUID(), randomUUID()]
      const claims = { iss: issuer, aud: issuer, sub, jti, sid, iat: nowS, exp: nowS + VALID_S, ...MISSED_CLAIMS }
      const signed = `${header}.${encode(claims)}`
      return `${signed}.${sign('sha256', Buffer.from(signed), { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
    }
  }
}
