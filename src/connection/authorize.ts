import type { Authorizer, Visible } from '../access/authorizer.js'
import { refuse, type Refusal } from '../refusals.js'
import type { Identity } from '../tokens/identity.js'
import type { Filter } from './parse-filter.js'

/** Topics that one connection may hold. */
export const MAX_TOPICS = 1000

const FORBIDDEN = refuse('forbidden', { detail: 'access' })
const TOO_MANY = refuse('bad_request', { message: `more than ${MAX_TOPICS} topics` })
const UNLISTABLE = refuse('bad_request', { message: '* cannot be listed for a right to everything: name the ids' })

export interface Filters { readonly agents: Filter | null, readonly tasks: Filter | null }
export type Granted = Pick<Visible, 'agents' | 'tasks'>

const NOTHING: Granted = { agents: [], tasks: [] }

export const isGranted = (value: Granted | Refusal): value is Granted => 'agents' in value

/** Everything asked for must be visible: one denied id refuses the whole, and a missing one looks the same. */
function judge (filters: Filters, visible: Visible): Granted | Refusal {
  if (visible.unlistable === true) return UNLISTABLE
  for (const kind of ['agents', 'tasks'] as const) {
    const asked = filters[kind]
    if (asked === null || asked === '*') continue
    const seen = new Set(visible[kind])
    if (asked.some(id => !seen.has(id))) return FORBIDDEN
  }
  return visible.agents.length + visible.tasks.length > MAX_TOPICS ? TOO_MANY : visible
}

/** What the connection may subscribe to, or why not. Synchronous exactly when the authorizer answered so. `fresh`: from no cache. */
export function authorize (
  authorizer: Authorizer, identity: Identity, token: string, filters: Filters, fresh = false
): Granted | Refusal | Promise<Granted | Refusal> {
  if (filters.agents === null && filters.tasks === null) return NOTHING
  const visible = authorizer.visible(identity, token, { agents: filters.agents ?? [], tasks: filters.tasks ?? [] }, { fresh })
  return visible instanceof Promise ? visible.then(seen => judge(filters, seen)) : judge(filters, visible)
}
