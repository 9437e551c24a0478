import type { Authorizer } from '../access/authorizer.js'
import { mapKinds } from '../kinds.js'
import type { RightsGroup } from './rights-groups.js'
import type { Session } from './session.js'
import { countIds, idsIn, isPersonal, topicsOf } from './topics.js'

export interface CheckRightsDeps {
  readonly authorizer: Pick<Authorizer, 'visible'>
  readonly withdraw: (session: Session, lost: readonly string[]) => void
  /** The rights could not be checked for too long: the connection must not go on. */
  readonly unverifiable: (session: Session) => void
  readonly maxUnverifiedMs: number
  /** Monotonic, in ms. */
  readonly now: () => number
}

/** Asks, from no cache, whether a group may still see what its connections listen to, and withdraws what it may not. */
export async function checkRights (deps: CheckRightsDeps, group: RightsGroup): Promise<void> {
  const { authorizer, withdraw, unverifiable, maxUnverifiedMs, now } = deps
  const [sample] = group.sessions
  if (sample === undefined) return
  const held = new Set([...group.sessions].flatMap(session => [...session.topics]))
  const asked = mapKinds(kind => idsIn(held, kind))
  const startedMs = now()
  if (countIds(asked) === 0) {
    group.verifiedAtMs = startedMs
    return
  }
  let visible
  try {
    visible = await authorizer.visible(sample.identity, sample.token, asked, { fresh: true, recheck: true })
  } catch {
    if (now() - group.verifiedAtMs > maxUnverifiedMs) for (const session of [...group.sessions]) unverifiable(session)
    return
  }
  group.verifiedAtMs = startedMs
  const seen = new Set(topicsOf(visible))
  const lost = [...held].filter(topic => !isPersonal(topic) && !seen.has(topic))
  if (lost.length > 0) for (const session of [...group.sessions]) withdraw(session, lost)
}
