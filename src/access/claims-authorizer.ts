import { KINDS, mapKinds, type ByKind } from '../kinds.js'
import type { Identity } from '../tokens/identity.js'
import type { Authorizer, Visible } from './authorizer.js'
import { isId } from './id-shapes.js'

/** What one claim allows: everything, or exactly these ids. */
type Right = '*' | ReadonlySet<string>

type Rights = ByKind<Right>

const NO_IDS: readonly string[] = []
const NO_RIGHT: Right = new Set<string>()
/** Claims with more ids than this are read once and kept as long as their token is; fewer are read anew, which is cheaper than memory. */
const MAX_READ_ANEW = 32
const NO_RIGHTS: Rights = mapKinds(() => NO_RIGHT)

/**
 * Makes the authorizer that believes the token: its claim for each kind is an array of ids or `"*"`.
 * An absent or malformed claim allows nothing; entries that are no ids are ignored. Answers at once and never throws.
 */
export function createClaimsAuthorizer (): Authorizer {
  // An identity is shared by every connection with the same token.
  const known = new WeakMap<Identity, Rights>()

  function rightsOf (identity: Identity): Rights {
    if (identity.insecure) return NO_RIGHTS
    const remembered = known.get(identity)
    if (remembered !== undefined) return remembered
    const rights = mapKinds(({ claim }) => readRight(identity.claims[claim]))
    if (countIds(rights) > MAX_READ_ANEW) known.set(identity, rights)
    return rights
  }

  return {
    local: true,
    visible (identity, _token, asked): Visible {
      const rights = rightsOf(identity)
      let unlistable = false
      const visible = mapKinds(({ claim }) => {
        const ids = select(rights[claim], asked[claim])
        if (ids === null) unlistable = true
        return ids ?? NO_IDS
      })
      return unlistable ? { ...visible, unlistable } : visible
    },
    // What a token says does not change.
    forget: () => {},
    close: () => Promise.resolve()
  }
}

function readRight (claim: unknown): Right {
  if (claim === '*') return '*'
  if (!Array.isArray(claim)) return NO_RIGHT
  const entries: readonly unknown[] = claim
  if (entries.length === 1 && entries[0] === '*') return '*'
  return new Set(entries.filter((entry): entry is string => typeof entry === 'string' && isId(entry)))
}

function countIds (rights: Rights): number {
  let ids = 0
  for (const { claim } of KINDS) {
    const right = rights[claim]
    if (right !== '*') ids += right.size
  }
  return ids
}

/** The allowed part of what is asked; null when all is asked of a right that cannot be listed. */
function select (right: Right, asked: readonly string[] | '*'): readonly string[] | null {
  if (right === '*') return asked === '*' ? null : asked
  if (asked === '*') return [...right]
  if (asked.length === 0) return NO_IDS
  return asked.filter((id) => right.has(id))
}
