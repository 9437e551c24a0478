import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { PROJECT } from './root.js'

export interface KeyPair { readonly privateKey: KeyObject, readonly publicKey: KeyObject }

const kept = (JSON.parse(readFileSync(new URL('test/fixtures/rsa-keys.json', PROJECT), 'utf8')) as { keys: Record<string, string[]> }).keys

/**
 * An RSA key pair that this process has not used yet. Making one takes 100 ms and more, so the first ones come from
 * test/fixtures; a process that needs more than those has them made.
 */
export function takeRsaKey (modulusLength: number): KeyPair {
  const next = kept[modulusLength]?.shift()
  if (next === undefined) return generateKeyPairSync('rsa', { modulusLength })
  const privateKey = createPrivateKey({ key: Buffer.from(next, 'base64'), format: 'der', type: 'pkcs8' })
  return { privateKey, publicKey: createPublicKey(privateKey) }
}
