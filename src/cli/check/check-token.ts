import type { Config } from '../../config/config.js'
import { explainToken, findIssuerOf } from '../../tokens/explain-token.js'
import type { Identity } from '../../tokens/identity.js'
import { TOKEN_CAUSES } from '../../tokens/token-causes.js'
import type { TokenStep } from '../../tokens/token-step.js'
import type { TokenRefusal, TokenVerdict } from '../../tokens/token-verifier.js'
import { createTokenVerifier, type IssuersVerifier } from '../../tokens/verify.js'
import { checkTokenRights } from './check-token-rights.js'
import { checkTokenStanding } from './check-token-standing.js'
import { fail, isGood, ok, warn, type Verdict } from './verdict.js'

const PART = 'token'

function toVerdict ({ part, verdict, because }: TokenStep): Verdict {
  if (verdict === 'not_reached') return warn(PART, `${part}: not looked at: ${because}`)
  return (verdict === 'pass' ? ok : fail)(PART, `${part}: ${because}`)
}

/** What has no part in this: there is a token here, and no request. */
function describeRequest ({ upgrade }: Config): Verdict {
  return ok(PART, `request, origin, address: not asked about here, as a token comes alone; WS_TOKEN_CARRIERS is ${[...upgrade.carriers].join(',')}. ` +
    'portcullis explain asks a running gateway about them')
}

/** The verdict of the verifier itself: its keys are fetched first, so that it judges the signature before the claims. */
async function judge (verifier: IssuersVerifier, token: string): Promise<TokenVerdict> {
  const verdict = await verifier.verify(token)
  const source = findIssuerOf(token, verifier.issuerKeys)?.source
  if (source?.current() !== null) return verdict
  await source?.refresh()
  return await verifier.verify(token)
}

const isCause = (word: string): word is keyof typeof TOKEN_CAUSES => word in TOKEN_CAUSES

function describeRefusal ({ refusal, detail }: TokenRefusal): Verdict {
  const word = detail.split(':', 1).join()
  return fail(PART, `answer: ${refusal} (${detail})${isCause(word) ? `: ${TOKEN_CAUSES[word]}` : ''}`)
}

function describeAccepted ({ userId, expiresAtMs }: Identity, standing: readonly Verdict[]): Verdict {
  if (!isGood(standing)) return fail(PART, 'answer: revoked: the token is good, and was taken back')
  return ok(PART, `answer: accepted as ${JSON.stringify(userId)}, until ${new Date(expiresAtMs).toISOString()}`)
}

/**
 * Puts one token through what an upgrade does with it: its form, its issuer's real keys, each claim beside the setting that it is held
 * against, introspection where that is on, what its user may see. Nothing is counted or leased, and no part of the token is shown.
 */
export async function checkToken (token: string, config: Config): Promise<Verdict[]> {
  const verifier = createTokenVerifier(config.tokens, { onRefreshed () {}, onFailed () {} })
  try {
    const verdict = await judge(verifier, token)
    const steps = explainToken(token, { issuerKeys: verifier.issuerKeys, settings: config.tokens, nowMs: Date.now() })
    const looked = [describeRequest(config), ...steps.map(toVerdict)]
    if (!verdict.ok) return [...looked, describeRefusal(verdict), ok(PART, 'permissions, user slot: not reached')]
    const { identity } = verdict
    const standing = await checkTokenStanding(identity, config)
    const asked = findIssuerOf(token, verifier.issuerKeys)?.config.introspection == null ? [] : [ok(PART, 'introspection: the issuer says that it is active')]
    return [...looked, ...asked, ...standing, ...await checkTokenRights(identity, token, config), describeAccepted(identity, standing)]
  } finally {
    verifier.close()
  }
}
