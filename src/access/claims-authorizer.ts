import { KINDS, mapKinds, type ByKind } from '../kinds.js'
import { CLAIM_TYPE, nameWrongType } from '../tokens/claim-types.js'
import type { Identity } from '../tokens/identity.js'
import { showValue } from '../tokens/show-value.js'
import type { Asked, Authorizer, Visible } from './authorizer.js'
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
 * An absent or malformed claim allows nothing; entries that are no ids are ignored. Both are named to operators. Answers at once and
 * never throws.
 */
export function createClaimsAuthorizer (): Authorizer {
  // An identity is shared by every connection with the same token.
  const known = new WeakMap<Identity, Rights>()

  /** Null: few enough to be read anew, each kind when it is asked for. */
  function rememberedRights (identity: Identity): Rights | null {
    if (identity.insecure) return NO_RIGHTS
    const remembered = known.get(identity)
    if (remembered !== undefined) return remembered
    if (countEntries(identity) <= MAX_READ_ANEW) return null
    const rights = mapKinds(({ claim }) => readRight(identity.claims[claim]))
    known.set(identity, rights)
    return rights
  }

  return {
    local: true,
    visible (identity, _token, asked): Visible {
      const rights = rememberedRights(identity)
      let unlistable = false
      let isShort = false
      const visible = mapKinds(({ claim }) => {
        if (asked[claim].length === 0) return NO_IDS
        const ids = select(rights === null ? readRight(identity.claims[claim]) : rights[claim], asked[claim])
        if (ids === null) unlistable = true
        else if (asked[claim] !== '*' && ids.length < asked[claim].length) isShort = true
        return ids ?? NO_IDS
      })
      const because = isShort ? findMistake(identity, asked) : null
      if (because !== null) return { ...visible, because }
      return unlistable ? { ...visible, unlistable } : visible
    },
    // What a token says does not change.
    forget: () => {},
    close: () => Promise.resolve()
  }
}

/** What is wrong with the type of a claim that was asked of; null: nothing, it is just not in it. */
function findMistake ({ claims, insecure }: Identity, asked: Asked): string | null {
  if (insecure) return null
  const askedOf = KINDS.filter(({ claim }) => asked[claim].length > 0)
  const found = askedOf.map(({ claim }) => findRightMistake(claim, claims[claim])).find(each => each !== null)
  return found === undefined ? null : `${CLAIM_TYPE}: ${found}`
}

/** What of a claim of ids counts for nothing, and what is wanted; null: it is as it should be, or absent. */
export function findRightMistake (name: string, claim: unknown): string | null {
  if (claim === undefined || claim === '*') return null
  if (!Array.isArray(claim)) return nameWrongType(name, claim, 'a list of ids, or "*"')
  const entries: readonly unknown[] = claim
  const unfit = entries.find(entry => typeof entry !== 'string' || (!isId(entry) && !(entry === '*' && entries.length === 1)))
  return unfit === undefined ? null : `${name} has an entry that is no id, ${showValue(unfit)}: wanted is a list of ids, or "*"`
}

function readRight (claim: unknown): Right {
  if (claim === '*') return '*'
  if (!Array.isArray(claim)) return NO_RIGHT
  const entries: readonly unknown[] = claim
  if (entries.length === 1 && entries[0] === '*') return '*'
  return new Set(entries.filter((entry): entry is string => typeof entry === 'string' && isId(entry)))
}

function countEntries ({ claims }: Identity): number {
  let entries = 0
  for (const { claim } of KINDS) {
    const ids = claims[claim]
    if (Array.isArray(ids)) entries += ids.length
  }
  return entries
}

/** The allowed part of what is asked; null when all is asked of a right that cannot be listed. */
function select (right: Right, asked: readonly string[] | '*'): readonly string[] | null {
  if (right === '*') return asked === '*' ? null : asked
  if (asked === '*') return [...right]
  return asked.filter((id) => right.has(id))
}
