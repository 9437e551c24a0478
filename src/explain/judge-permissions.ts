import { ACCESS_CAUSES, type AccessCause } from '../access/causes.js'
import type { Asked, Authorizer, Visible } from '../access/authorizer.js'
import type { AccessSettings } from '../config/config.js'
import { asksForSomething, isGranted } from '../connection/authorize.js'
import { permitUpgrade } from '../connection/permit-upgrade.js'
import type { UpgradeRequest } from '../connection/read-request.js'
import { KINDS, type Kind } from '../kinds.js'
import { orList } from '../list-words.js'
import type { Refusal } from '../refusals.js'
import type { Identity } from '../tokens/identity.js'
import { showValue } from '../tokens/show-value.js'
import { fail, pass, type Finding } from './finding.js'

export interface JudgePermissionsDeps {
  readonly authorizer: Authorizer
  readonly settings: Pick<AccessSettings, 'authorizer' | 'issuers' | 'pgRole' | 'relations'>
}

interface Seen { asked: Asked, visible: Visible }

/** The same authorizer, asked from no cache and for no cache; what it was asked and answered is noted. */
function watch (authorizer: Authorizer, seen: Partial<Seen>): Authorizer {
  const note = (visible: Visible): Visible => (seen.visible = visible)
  return {
    ...authorizer,
    visible (identity, token, asked) {
      seen.asked = asked
      const visible = authorizer.visible(identity, token, asked, { fresh: true, leavesNoTrace: true })
      return visible instanceof Promise ? visible.then(note) : note(visible)
    }
  }
}

/** Whether this user may see all that is asked for; clients are not told which id it is. */
export async function judgePermissions (deps: JudgePermissionsDeps, who: Identity, request: UpgradeRequest): Promise<Finding> {
  if (!asksForSomething(request)) return pass(`no ${orList(KINDS.map(({ list }) => list))} were given: nothing is asked`)
  const seen: Partial<Seen> = {}
  const attempt = { request, identity: null, rightsGeneration: 0 }
  const answer = await permitUpgrade({ authorizer: watch(deps.authorizer, seen), rightsGeneration: () => 0 }, attempt, who, true)
  const by = sayWhoDecides(deps)
  if (isGranted(answer)) return pass(`${by} all that is asked`)
  if (answer.name === 'unavailable') return fail(answer, sayAway(answer), { setting: 'WS_AUTHORIZER' })
  const [denied] = KINDS.map(kind => [kind, missing(kind, seen)] as const).filter(([, ids]) => ids.length > 0)
  if (answer.name !== 'forbidden' || denied === undefined) return fail(answer, answer.message)
  return fail(answer, ...sayDenied(deps, who, denied, sayMistake(seen.visible?.because, denied[0])))
}

/** What of the claims is at fault, in the words of the log; null: nothing is, but the ids are not in them. */
function sayMistake (because: string | undefined, { claim }: Kind): string | null {
  return because?.startsWith(`claim_type: ${claim} `) === true ? because : null
}

function missing ({ claim }: Kind, { asked, visible }: Partial<Seen>): readonly string[] {
  const ids = asked?.[claim] ?? []
  const shown = new Set(visible?.[claim])
  return ids === '*' ? [] : ids.filter(id => !shown.has(id))
}

function sayWhoDecides ({ settings: { authorizer, pgRole } }: JudgePermissionsDeps): string {
  if (authorizer === 'claims') return 'the claims allow'
  return authorizer === 'postgres' ? `the database, asked as ${pgRole}, shows` : 'PostgREST, asked with the user\'s token, shows'
}

type Denied = readonly [kind: Kind, ids: readonly string[]]

function sayDenied (
  { settings }: JudgePermissionsDeps, who: Identity, [kind, ids]: Denied, mistake: string | null
): [because: string, decided: { readonly setting?: string, readonly claim?: string }] {
  const what = `${kind.list} ${showValue(ids)}`
  if (who.insecure) return [`${what}: anonymous sees nothing`, { setting: 'ALLOW_INSECURE_WS' }]
  if (settings.issuers !== null && !settings.issuers.has(who.issuer)) {
    const because = `${what}: users of issuer ${who.issuer} see nothing, WS_ACCESS_ISSUER is ${showValue([...settings.issuers])}`
    return [because, { setting: 'WS_ACCESS_ISSUER' }]
  }
  if (settings.authorizer === 'claims') {
    const held = mistake === null ? `, which is ${showValue(who.claims[kind.claim])}` : `: ${mistake}`
    return [`${what} not in the claim ${kind.claim}${held}`, { claim: kind.claim }]
  }
  const asked = settings.authorizer === 'postgres' ? `asked as ${settings.pgRole}` : 'asked with the user\'s token'
  const because = `${what} not visible in ${settings.relations[kind.claim]}, ${asked}: there is no such row, or its policies hide it`
  return [because, { setting: kind.setting }]
}

/** The cause by the words of the documents. */
function sayAway ({ detail = '' }: Refusal): string {
  const word = /^access: (\w+)/.exec(detail)?.[1] ?? ''
  const cause = word in ACCESS_CAUSES ? ACCESS_CAUSES[word as AccessCause] : ACCESS_CAUSES.unknown
  return `${detail}: ${cause.means}; look at: ${cause.todo}`
}
