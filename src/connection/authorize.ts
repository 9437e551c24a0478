import { NOTHING_VISIBLE, type Authorizer, type Visible } from '../access/authorizer.js'
import { KINDS, mapKinds, type ByKind } from '../kinds.js'
import { refuse, type Refusal } from '../refusals.js'
import type { Identity } from '../tokens/identity.js'
import type { Filter } from './parse-filter.js'

const NO_IDS: readonly string[] = []
/** Topics that one connection may hold. */
export const MAX_TOPICS = 1000

const FORBIDDEN = refuse('forbidden', { detail: 'access' })
const TOO_MANY = refuse('bad_request', { message: `more than ${MAX_TOPICS} topics` })
const UNLISTABLE = refuse('bad_request', { message: '* cannot be listed for a right to everything: name the ids' })

/** What is asked for of each kind; null: nothing. */
export type Filters = ByKind<Filter | null>
/** What a connection may listen to. */
export type Granted = ByKind<readonly string[]>

export const isGranted = (value: Granted | Refusal): value is Granted => KINDS[0].claim in value

/** Whether something of some kind is asked for: only then is anything to be decided, and `subscribed` owed. */
export function asksForSomething (filters: Filters): boolean {
  for (const { claim } of KINDS) if (filters[claim] !== null) return true
  return false
}

/** Everything asked for must be visible: one denied id refuses the whole, and a missing one looks the same. */
function judge (filters: Filters, visible: Visible): Granted | Refusal {
  if (visible.unlistable === true) return UNLISTABLE
  let topics = 0
  for (const { claim } of KINDS) {
    const asked = filters[claim]
    topics += visible[claim].length
    if (asked === null || asked === '*') continue
    const seen = new Set(visible[claim])
    if (asked.some(id => !seen.has(id))) return visible.because === undefined ? FORBIDDEN : refuse('forbidden', { detail: visible.because })
  }
  return topics > MAX_TOPICS ? TOO_MANY : visible
}

/** What the connection may subscribe to, or why not. Synchronous exactly when the authorizer answered so. `fresh`: from no cache. */
export function authorize (
  authorizer: Authorizer, identity: Identity, token: string, filters: Filters, fresh = false
): Granted | Refusal | Promise<Granted | Refusal> {
  if (!asksForSomething(filters)) return NOTHING_VISIBLE
  const asked = mapKinds(({ claim }) => filters[claim] ?? NO_IDS)
  const visible = authorizer.visible(identity, token, asked, { fresh })
  return visible instanceof Promise ? visible.then(seen => judge(filters, seen)) : judge(filters, visible)
}
