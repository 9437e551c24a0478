import type { Identity } from '../tokens/identity.js'
import type { Revocation, RevocationTarget } from './control.js'

/** A revocation and how long it still lasts, in ms. */
export interface LastingRevocation {
  readonly revocation: Revocation
  readonly remainingMs: number
}

/** What is known of one issuer (or any) for one id. `issuedBeforeMs` is Infinity when every token is meant. */
interface Entry {
  readonly issuer: string | null
  readonly issuedBeforeMs: number
  readonly endsAtMs: number
}

type EntriesById = Map<string, Entry[]>
type Entries = Record<Revocation['kind'], EntriesById>

const KINDS = ['jti', 'sid', 'sub'] as const

const noEntries = (): Entries => ({ jti: new Map(), sid: new Map(), sub: new Map() })

/** The revocations that this process knows. `now` in ms. */
export function createRevocations (now: () => number) {
  let entries = noEntries()

  function isRevoked (identity: Identity): boolean {
    return concerns(entries.jti, identity.tokenId, identity) ||
      concerns(entries.sid, identity.sessionId, identity) ||
      concerns(entries.sub, identity.subject, identity)
  }

  function concerns (byId: EntriesById, id: string | null, identity: Identity): boolean {
    if (byId.size === 0 || id === null) return false
    const issuedAtMs = identity.issuedAtMs ?? -Infinity
    return (byId.get(id) ?? []).some((entry) => entry.endsAtMs > now() && issuedAtMs < entry.issuedBeforeMs &&
      (entry.issuer === null || entry.issuer === identity.issuer))
  }

  return {
    isRevoked,
    /** Adds one; true when it says more than what was known. */
    add (lasting: LastingRevocation): boolean { return add(entries, lasting, now()) },
    remove ({ kind, id, issuer }: RevocationTarget): void {
      const left = (entries[kind].get(id) ?? []).filter((entry) => issuer !== null && entry.issuer !== issuer)
      if (left.length > 0) entries[kind].set(id, left)
      else entries[kind].delete(id)
    },
    /** Takes the place of all that was known; true when something is new. */
    replace (all: readonly LastingRevocation[]): boolean {
      const known = entries
      entries = noEntries()
      for (const lasting of all) add(entries, lasting, now())
      return all.some((lasting) => add(known, lasting, now()))
    },
    /** Forgets what has expired. */
    sweep (): void {
      for (const byId of Object.values(entries)) {
        for (const [id, list] of byId) {
          if (list.every((entry) => entry.endsAtMs <= now())) byId.delete(id)
        }
      }
    },
    /** All that has not expired. */
    list: (): LastingRevocation[] => KINDS.flatMap((kind) => [...entries[kind]].flatMap(([id, list]) => list.flatMap((entry) => {
      const remainingMs = entry.endsAtMs - now()
      const issuedBeforeMs = entry.issuedBeforeMs === Infinity ? null : entry.issuedBeforeMs
      return remainingMs > 0 ? [{ revocation: { kind, id, issuer: entry.issuer, issuedBeforeMs }, remainingMs }] : []
    }))),
    size: (): number => entries.jti.size + entries.sid.size + entries.sub.size
  }
}

function add (entries: Entries, { revocation, remainingMs }: LastingRevocation, nowMs: number): boolean {
  const { kind, id, issuer } = revocation
  const issuedBeforeMs = revocation.issuedBeforeMs ?? Infinity
  const list = (entries[kind].get(id) ?? []).filter(({ endsAtMs }) => endsAtMs > nowMs)
  const known = list.find((entry) => entry.issuer === issuer)
  const entry: Entry = {
    issuer,
    issuedBeforeMs: Math.max(issuedBeforeMs, known?.issuedBeforeMs ?? -Infinity),
    endsAtMs: Math.max(nowMs + remainingMs, known?.endsAtMs ?? 0)
  }
  entries[kind].set(id, [...list.filter((other) => other !== known), entry])
  return known === undefined || known.issuedBeforeMs < issuedBeforeMs
}
