import { findRightMistake } from '../../access/claims-authorizer.js'
import { describeAccessFault } from '../../access/access-fault.js'
import type { Authorizer } from '../../access/authorizer.js'
import { CannotStart } from '../../cannot-start.js'
import type { Config } from '../../config/config.js'
import { maySend } from '../../connection/send-inbound.js'
import { composeAccess } from '../../gateway/access.js'
import { KINDS, mapKinds, type Kind } from '../../kinds.js'
import { findNameMistakes } from '../../tokens/claim-types.js'
import { toClaimRules } from '../../tokens/claim-rules.js'
import type { Identity } from '../../tokens/identity.js'
import { showValue } from '../../tokens/show-value.js'
import { explainAccessFault } from './ask-database.js'
import { fail, ok, warn, type Verdict } from './verdict.js'

const PART = 'token'

/** What a claim of ids gives. */
function describeClaim ({ claim }: Kind, { claims }: Identity): Verdict {
  const mistake = findRightMistake(claim, claims[claim])
  if (mistake !== null) return warn(PART, `permissions: ${mistake}: that counts for nothing`)
  const ids = claims[claim]
  if (ids === undefined) return ok(PART, `permissions: ${claim} is absent: none`)
  return ok(PART, `permissions: ${claim} is ${showValue(ids)}${Array.isArray(ids) ? `, ${ids.length} in all` : ''}`)
}

/** Asks the back end for all that the user sees, as a filter of `*` does. */
async function askBackEnd (authorizer: Authorizer, identity: Identity, token: string): Promise<Verdict> {
  try {
    const visible = await authorizer.visible(identity, token, mapKinds(() => '*'), { fresh: true })
    return ok(PART, `permissions: ${KINDS.map(({ claim }) => `${claim}: ${visible[claim].length} visible`).join(', ')}`)
  } catch (error) {
    return fail(PART, `permissions: ${explainAccessFault(describeAccessFault(error))}`)
  }
}

async function checkRights (identity: Identity, token: string, config: Config): Promise<Verdict[]> {
  const { authorizer: kind, issuers } = config.access
  if (issuers?.has(identity.issuer) === false) {
    return [warn(PART, `permissions: none: it is of the issuer ${identity.issuer}, WS_ACCESS_ISSUER is ${[...issuers].join(',')}`)]
  }
  if (kind === 'claims') return KINDS.map(row => describeClaim(row, identity))
  const access = composeAccess(config)
  try {
    await access.start(() => { /* the question that follows says it */ })
    return [await askBackEnd(access.authorizer, identity, token)]
  } catch (error) {
    if (!(error instanceof CannotStart)) throw error
    return [fail(PART, `permissions: ${error.message}`)]
  } finally {
    await access.authorizer.close()
  }
}

function describeScopes (identity: Identity): Verdict {
  const { scopeMistake } = identity
  if (maySend(identity)) return ok(PART, 'sending: the scope ws:send is in it')
  return warn(PART, `sending: the scope ws:send is not in it, so that its user may listen, and send nothing${scopeMistake === undefined ? '' : `: ${scopeMistake}`}`)
}

/** By which names it can be revoked. */
function describeNames (identity: Identity, { tokens }: Config): Verdict {
  const issuer = tokens.issuers.find(({ name }) => name === identity.issuer)
  const mistakes = issuer === undefined ? [] : findNameMistakes(identity.claims, toClaimRules(issuer, tokens).reading)
  if (mistakes.length > 0) return warn(PART, `revocation: ${mistakes.join('; ')}: no order finds it by that`)
  const names = [['jti', identity.tokenId], ['the session', identity.sessionId], ['sub', identity.subject]] as const
  return ok(PART, `revocation: by ${names.filter(([, id]) => id !== null && id !== '').map(([name]) => name).join(', ')}`)
}

/** What an accepted token's user may see and send, and by what it can be revoked. */
export async function checkTokenRights (identity: Identity, token: string, config: Config): Promise<Verdict[]> {
  return [...await checkRights(identity, token, config), describeScopes(identity), describeNames(identity, config)]
}
