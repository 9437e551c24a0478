import { LRUCache } from 'lru-cache'
import type { IssuerVerifier } from './issuer-verifier.js'
import type { VerificationKey } from './keys.js'
import { NamedTokens } from './named-tokens.js'
import type { RevokedTokens } from './token-name.js'
import type { TokenVerdict } from './token-verifier.js'

/** A token that was accepted, and what it rests on. */
export interface VerifiedToken {
  readonly verdict: TokenVerdict & { readonly ok: true }
  readonly key: VerificationKey
  readonly verifier: IssuerVerifier
  /** When its issuer was asked whether it is active, steady, in ms; null: it is not asked. */
  readonly askedAtMs: number | null
}

/** Accepted tokens, known by their whole text. Refusals are never kept. */
export interface VerifiedTokens {
  /** The entry, if the key that verified it is still trusted; whether it has ended is for the caller to say. */
  find (token: string): VerifiedToken | undefined
  /** The same, and leaves the cache as it is. */
  peek (token: string): VerifiedToken | undefined
  remember (token: string, verified: VerifiedToken): void
  drop (token: string): void
  /** Drops tokens that were revoked: an order for one visits those of its name alone. */
  forget (revoked: RevokedTokens): void
}

/** A token is cut out of a request, and as it stands would keep the whole of it, which the client may have made 16 KB long. */
function copyOf (token: string): string {
  return Buffer.from(token).toString()
}

/** Makes the cache; the least recently used of more than `size` entries goes first. A size of 0 keeps nothing. */
export function createVerifiedTokens (size: number): VerifiedTokens {
  const named = new NamedTokens()
  const entries = new LRUCache<string, VerifiedToken>({
    max: Math.max(1, size),
    dispose: ({ verdict }, token) => { named.remove(token, verdict.identity) }
  })

  function find (token: string): VerifiedToken | undefined {
    const entry = entries.get(token)
    if (entry === undefined || entry.verifier.trusts(entry.key)) return entry
    entries.delete(token)
    return undefined
  }

  function remember (token: string, verified: VerifiedToken): void {
    if (size === 0) return
    const text = copyOf(token)
    entries.set(text, verified)
    named.add(text, verified.verdict.identity)
  }

  function dropWhere (tokens: Iterable<string>, matches: RevokedTokens['matches']): void {
    for (const token of tokens) {
      const entry = entries.peek(token)
      if (entry !== undefined && matches(entry.verdict.identity)) entries.delete(token)
    }
  }

  return {
    find,
    peek (token) {
      const entry = entries.peek(token)
      return entry?.verifier.trusts(entry.key) === true ? entry : undefined
    },
    remember,
    drop: token => { entries.delete(token) },
    forget ({ names, matches }) {
      if (names === null || names.length > entries.size) return dropWhere(entries.keys(), matches)
      for (const name of names) dropWhere(named.tokensOf(name), matches)
    }
  }
}
