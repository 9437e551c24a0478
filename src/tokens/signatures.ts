import { constants, createHmac, timingSafeEqual, verify, type KeyObject, type VerifyKeyObjectInput } from 'node:crypto'
import { ecdsaToDer } from './ecdsa-to-der.js'

/** Whether `signature` is the key's under these bytes. Never throws: what is no signature at all is a wrong one. */
export type SignatureCheck = (signed: Buffer, signature: Buffer) => boolean

/**
 * Makes the check of one algorithm (RFC 7518 sections 3.2 to 3.5, RFC 8037 section 3.1) with one key, which must be of the
 * algorithm's type and curve. Throws on an algorithm that we do not know.
 *
 * OpenSSL gets the bare key wherever that will do: in the newer Node a key in an object with options costs half a
 * verification more.
 */
export function createSignatureCheck (algorithm: string, key: KeyObject): SignatureCheck {
  const digest = `sha${algorithm.slice(-3)}`
  switch (algorithm.slice(0, 2)) {
    case 'HS': return checkMac(digest, key)
    case 'RS': return checkWith(digest, key)
    case 'PS': return checkWith(digest, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST })
    case 'ES': return checkEcdsa(digest, key)
  }
  if (algorithm === 'EdDSA' || algorithm === 'Ed25519') return checkWith(null, key)
  throw new Error(`unknown algorithm ${algorithm}`)
}

function checkWith (digest: string | null, key: KeyObject | VerifyKeyObjectInput): SignatureCheck {
  return (signed, signature) => verify(digest, signed, key, signature)
}

/** Bytes of each of the two numbers, by curve. */
const NUMBER_BYTES: ReadonlyMap<unknown, number> = new Map([['prime256v1', 32], ['secp384r1', 48], ['secp521r1', 66]])

function checkEcdsa (digest: string, key: KeyObject): SignatureCheck {
  const numberBytes = NUMBER_BYTES.get(key.asymmetricKeyDetails?.namedCurve)
  if (numberBytes === undefined) throw new Error('a key of another curve')
  return (signed, signature) => signature.length === 2 * numberBytes && verify(digest, signed, key, ecdsaToDer(signature))
}

function checkMac (digest: string, key: KeyObject): SignatureCheck {
  return (signed, signature) => {
    const mac = createHmac(digest, key).update(signed).digest()
    return mac.length === signature.length && timingSafeEqual(mac, signature)
  }
}
