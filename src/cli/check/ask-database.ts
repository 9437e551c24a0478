import { ACCESS_CAUSES, type AccessCause } from '../../access/causes.js'
import { describeAccessFault, type AccessFault } from '../../access/access-fault.js'
import type { Asked, Authorizer } from '../../access/authorizer.js'
import type { Config } from '../../config/config.js'
import { mapKinds } from '../../kinds.js'
import type { Identity } from '../../tokens/identity.js'
import { fail, ok, warn, type Verdict } from './verdict.js'

const PART = 'database'
const HOUR_MS = 3_600_000
/** Nobody's, in each form that a `sub` or an id commonly has: policies cast them, and a column takes the forms that it can hold. */
const SUBJECTS = ['00000000-0000-4000-8000-000000000000', '0', 'portcullis-check'] as const
const ALL: Asked = mapKinds(() => '*')
const NAMED: Asked = mapKinds(() => SUBJECTS)

/** In words: what it means, the code at hand, and what to look at. */
export function explainAccessFault ({ reason, code }: AccessFault): string {
  const { means, todo } = ACCESS_CAUSES[reason]
  return `${means} (${code === null ? reason : `${reason} ${code}`}): ${todo}`
}

/** A user whom nobody knows, as a token of the issuer whose users the database knows would name them. */
function makeUpUser (subject: string, { access, tokens }: Config): Identity {
  const named = access.issuers === null ? null : tokens.issuers.find(({ name }) => access.issuers?.has(name) === true)
  const { name, issuer } = named ?? tokens.issuers[0] ?? { name: 'check', issuer: 'check' }
  const nowMs = Date.now()
  return {
    userId: subject,
    subject,
    issuer: name,
    claims: { iss: issuer, sub: subject, role: access.pgRole, iat: Math.floor(nowMs / 1000), exp: Math.floor((nowMs + HOUR_MS) / 1000) },
    expiresAtMs: nowMs + HOUR_MS,
    issuedAtMs: nowMs,
    tokenId: null,
    sessionId: null,
    scopes: new Set(),
    confirmation: null,
    insecure: false
  }
}

async function findFault (authorizer: Authorizer, who: Identity, asked: Asked): Promise<AccessFault | null> {
  try {
    await authorizer.visible(who, '', asked, { fresh: true })
    return null
  } catch (error) {
    return describeAccessFault(error)
  }
}

/** Policies that cast the `sub` take one form of it only: that one form fails so is no fault. */
async function findFaultOfAny (authorizer: Authorizer, config: Config, asked: Asked): Promise<AccessFault | null> {
  let first: AccessFault | null = null
  for (const subject of SUBJECTS) {
    const fault = await findFault(authorizer, makeUpUser(subject, config), asked)
    if (fault === null || fault.reason !== 'bad_value') return fault
    first ??= fault
  }
  return first
}

/** Too slow for a made-up user, who sees nothing and so has every row looked at: that need not be so for others. */
const SLOW: ReadonlySet<AccessCause> = new Set(['statement_timeout', 'timeout'])

/**
 * Asks the authorizer, as the gateway does, what a made-up user sees: ids by name, and all. What policies call runs, so far
 * as there are rows.
 */
export async function askDatabase (authorizer: Authorizer, config: Config): Promise<Verdict> {
  const who = `asked as ${config.access.pgRole} with made-up claims`
  const named = await findFaultOfAny(authorizer, config, NAMED)
  if (named !== null) return fail(PART, `${who}: ${explainAccessFault(named)}`)
  const all = await findFaultOfAny(authorizer, config, ALL)
  if (all === null) return ok(PART, `${who}: it answers`)
  return SLOW.has(all.reason)
    ? warn(PART, `${who} for all rows: ${explainAccessFault(all)}; a filter of * may be answered unavailable`)
    : fail(PART, `${who} for all rows: ${explainAccessFault(all)}`)
}
