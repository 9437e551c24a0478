import { refuse, type Refusal } from '../refusals.js'
import type { Identity } from '../tokens/identity.js'
import type { TokenProof, TokenVerdict, TokenVerifier } from '../tokens/token-verifier.js'

const MISSING = refuse('missing_token')
const REVOKED = refuse('revoked')

export interface Identify {
  /** Who this is, by what the process knows; null when the issuer must be asked first. */
  now (token: string | null, proof?: TokenProof): Identity | Refusal | null
  /** The same, waiting for the issuer where needed. Never rejects. */
  wait (token: string | null, proof?: TokenProof): Promise<Identity | Refusal>
}

export interface IdentifyDeps {
  readonly tokens: Pick<TokenVerifier, 'verifyNow' | 'verify'>
  /** Revocations, from memory. */
  readonly isRevoked: (identity: Identity) => boolean
  /** The break-glass identity while it is in force, else null. */
  readonly anonymous: () => Identity | null
}

export const isIdentity = (value: Identity | Refusal): value is Identity => 'claims' in value

/** Says who presents a token. Break-glass covers a missing token, and one whose issuer is away; a token proven bad stays refused. */
export function createIdentify ({ tokens, isRevoked, anonymous }: IdentifyDeps): Identify {
  const judge = (verdict: TokenVerdict): Identity | Refusal => {
    if (verdict.ok) return isRevoked(verdict.identity) ? REVOKED : verdict.identity
    // Keys that are away make a token as good as none; one that its issuer could not be asked about, or whose key it may have
    // made since, is a token all the same.
    const keysAway = verdict.refusal === 'unavailable' && verdict.detail !== 'unknown_key' && !verdict.detail.startsWith('introspection_')
    const { refusal, ok: _, ...more } = verdict
    return (keysAway ? anonymous() : null) ?? refuse(refusal, more)
  }
  return {
    now (token, proof) {
      if (token === null) return anonymous() ?? MISSING
      const verdict = tokens.verifyNow(token, proof)
      return verdict === null ? null : judge(verdict)
    },
    async wait (token, proof) {
      return token === null ? anonymous() ?? MISSING : judge(await tokens.verify(token, proof))
    }
  }
}
