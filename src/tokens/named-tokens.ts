import type { Identity } from './identity.js'
import { namesOf, type TokenName } from './token-name.js'

/** Texts of tokens by each of their names. Most names have one token, which needs no Set. */
type TokensById = Map<string, string | Set<string>>

const KINDS = ['jti', 'sid', 'sub'] as const satisfies readonly TokenName['kind'][]

/** Finds tokens by what an order names. */
export class NamedTokens {
  private readonly byKind: Readonly<Record<TokenName['kind'], TokensById>> = { jti: new Map(), sid: new Map(), sub: new Map() }

  add (token: string, identity: Identity): void {
    const names = namesOf(identity)
    for (const kind of KINDS) if (names[kind] !== null) addTo(this.byKind[kind], names[kind], token)
  }

  remove (token: string, identity: Identity): void {
    const names = namesOf(identity)
    for (const kind of KINDS) if (names[kind] !== null) removeFrom(this.byKind[kind], names[kind], token)
  }

  /** Those that are there now: removing them meanwhile changes nothing. */
  tokensOf ({ kind, id }: TokenName): readonly string[] {
    const held = this.byKind[kind].get(id)
    if (held === undefined) return []
    return typeof held === 'string' ? [held] : [...held]
  }
}

function addTo (tokens: TokensById, id: string, token: string): void {
  const held = tokens.get(id)
  if (held === undefined) tokens.set(id, token)
  else if (typeof held !== 'string') held.add(token)
  else if (held !== token) tokens.set(id, new Set([held, token]))
}

function removeFrom (tokens: TokensById, id: string, token: string): void {
  const held = tokens.get(id)
  if (typeof held === 'object') held.delete(token)
  if (held === token || (typeof held === 'object' && held.size === 0)) tokens.delete(id)
}
