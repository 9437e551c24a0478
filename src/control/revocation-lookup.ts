import type { Identity } from '../tokens/identity.js'
import type { Revocation, RevocationTarget } from './control.js'
import type { OrderRecord } from './ledger.js'
import { parseKeptRevocation } from './messages.js'

/** What is revoked of one issuer (or any) for one id. `issuedBeforeMs` is Infinity when every token is meant. */
interface Entry {
  readonly issuer: string | null
  readonly issuedBeforeMs: number
  readonly endsAtMs: number
}

type EntriesById = Map<string, readonly Entry[]>

export type RevocationLookup = ReturnType<typeof createRevocationLookup>

/** Finds the revocations in force by what a token says. `now` in ms. */
export function createRevocationLookup (now: () => number) {
  const entries: Record<Revocation['kind'], EntriesById> = { jti: new Map(), sid: new Map(), sub: new Map() }

  function concerns (byId: EntriesById, id: string | null, identity: Identity): boolean {
    if (byId.size === 0 || id === null) return false
    const issuedAtMs = identity.issuedAtMs ?? -Infinity
    return (byId.get(id) ?? []).some((entry) => entry.endsAtMs > now() && issuedAtMs < entry.issuedBeforeMs &&
      (entry.issuer === null || entry.issuer === identity.issuer))
  }

  function remove ({ kind, id, issuer }: RevocationTarget): void {
    const left = (entries[kind].get(id) ?? []).filter((entry) => entry.issuer !== issuer)
    if (left.length > 0) entries[kind].set(id, left)
    else entries[kind].delete(id)
  }

  return {
    isRevoked: (identity: Identity): boolean => concerns(entries.jti, identity.tokenId, identity) ||
      concerns(entries.sid, identity.sessionId, identity) ||
      concerns(entries.sub, identity.subject, identity),
    /** Follows a change of the ledger. */
    follow (before: OrderRecord | undefined, after: OrderRecord | undefined): void {
      const old = before === undefined || before.lifted ? null : parseKeptRevocation(before.member)
      if (old !== null) remove(old)
      const revocation = after === undefined || after.lifted ? null : parseKeptRevocation(after.member)
      if (after === undefined || revocation === null) return
      const { kind, id, issuer, issuedBeforeMs } = revocation
      const list = entries[kind].get(id) ?? []
      entries[kind].set(id, [...list, { issuer, issuedBeforeMs: issuedBeforeMs ?? Infinity, endsAtMs: after.endsAtMs }])
    },
    /** The issuers (null: any) for whose tokens of this id something is revoked. */
    issuersOf: ({ kind, id }: RevocationTarget): Array<string | null> => (entries[kind].get(id) ?? []).map(({ issuer }) => issuer),
    /** How many ids something is revoked of. */
    size: (): number => entries.jti.size + entries.sid.size + entries.sub.size
  }
}
