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

/** Base64url characters of 256 bits, the shortest signature there is. */
const ENDING_LENGTH = 43

/**
 * Where a token is looked for: by the end of its signature, as hashing all of it at each upgrade costs more than all the rest of looking
 * it up. Who makes a token with the ending of another finds an entry, and is told by its whole text.
 */
const endingOf = (token: string): string => token.slice(-ENDING_LENGTH)

interface Entry { readonly token: string, readonly verified: VerifiedToken }

/** Makes the cache; the least recently used of more than `size` entries goes first. A size of 0 keeps nothing. */
export function createVerifiedTokens (size: number): VerifiedTokens {
  /** By endings. */
  const named = new NamedTokens()
  const entries = new LRUCache<string, Entry>({
    max: Math.max(1, size),
    dispose: ({ verified }, ending) => { named.remove(ending, verified.verdict.identity) }
  })

  const verifiedIn = (entry: Entry | undefined, token: string): VerifiedToken | undefined =>
    entry?.token === token ? entry.verified : undefined

  function find (token: string): VerifiedToken | undefined {
    const verified = verifiedIn(entries.get(endingOf(token)), token)
    if (verified === undefined || verified.verifier.trusts(verified.key)) return verified
    drop(token)
    return undefined
  }

  function remember (token: string, verified: VerifiedToken): void {
    if (size === 0) return
    const text = copyOf(token)
    const ending = endingOf(text)
    entries.set(ending, { token: text, verified })
    named.add(ending, verified.verdict.identity)
  }

  function drop (token: string): void {
    const ending = endingOf(token)
    if (entries.peek(ending)?.token === token) entries.delete(ending)
  }

  function dropWhere (endings: Iterable<string>, matches: RevokedTokens['matches']): void {
    for (const ending of endings) {
      const entry = entries.peek(ending)
      if (entry !== undefined && matches(entry.verified.verdict.identity)) entries.delete(ending)
    }
  }

  return {
    find,
    peek (token) {
      const verified = verifiedIn(entries.peek(endingOf(token)), token)
      return verified?.verifier.trusts(verified.key) === true ? verified : undefined
    },
    remember,
    drop,
    forget ({ names, matches }) {
      if (names === null || names.length > entries.size) return dropWhere(entries.keys(), matches)
      for (const name of names) dropWhere(named.tokensOf(name), matches)
    }
  }
}
