import { parseAddress, type ClientAddress } from '../address/client-address.js'
import { leaseOwner } from '../connection/lease-record.js'
import type { UpgradeRequest } from '../connection/read-request.js'
import { KINDS } from '../kinds.js'
import type { LimitsReading, ReadLimits } from '../limits/reading.js'
import type { AssumeClaims } from '../tokens/assume-claims.js'
import type { Identity } from '../tokens/identity.js'
import { STEP_NAMES, WANTED_ADDRESS, type Explain, type ExplainedLimits, type ExplainedStep, type Explanation, type ExplainQuestion, type StepName } from './explanation.js'
import type { Finding } from './finding.js'
import { judgeAddress, type JudgeAddressDeps } from './judge-address.js'
import { judgeOrigin } from './judge-origin.js'
import { judgePermissions, type JudgePermissionsDeps } from './judge-permissions.js'
import { judgeRequest, toHead, type JudgeRequestDeps } from './judge-request.js'
import { judgeSlots, type JudgeSlotsDeps } from './judge-slots.js'
import { judgeToken, type JudgeTokenDeps, type Presented } from './judge-token.js'

export interface ExplainDeps {
  readonly request: JudgeRequestDeps
  /** The host by which clients reach the gateway; `''`: not known. */
  readonly ownHost: string
  readonly address: JudgeAddressDeps
  readonly token: JudgeTokenDeps
  readonly assumeClaims: AssumeClaims
  readonly permissions: JudgePermissionsDeps
  /** A back end is asked with the user's own token. */
  readonly needsToken: boolean
  readonly slots: JudgeSlotsDeps
  /** Null: the program's own limiter can't be asked without counting. */
  readonly readLimits: ReadLimits | null
}

/** A question that can be answered, and what its steps have found so far. */
interface Walk {
  readonly question: ExplainQuestion
  readonly host: string
  readonly address: ClientAddress | null
  readonly presented: Presented
  readonly ofAddress: LimitsReading | null
  request: UpgradeRequest | null
  identity: Identity | null
  ofUser: LimitsReading | null
}

const NOT_REACHED = 'an earlier step refuses'

/** Makes what explains upgrades: the steps of the lifecycle, by the same functions, with every effect left out. */
export function createExplain (deps: ExplainDeps): Explain {
  return async (question, misread) => {
    const address = question.address === undefined ? null : parseAddress(question.address)
    const presented = readPresented(deps, question)
    const faults = [...misread, ...(question.address !== undefined && address === null ? [WANTED_ADDRESS] : [])]
    if ('wanted' in presented) return { ok: false, fault: [...faults, ...presented.wanted].join('; ') }
    if (faults.length > 0) return { ok: false, fault: faults.join('; ') }
    const isExempt = address !== null && deps.address.isExempt(address)
    const ofAddress = address === null || isExempt ? null : await deps.readLimits?.({ address: address.key, owner: null }) ?? null
    const walk: Walk = {
      question, host: question.host ?? deps.ownHost, address, presented, ofAddress, request: null, identity: null, ofUser: null
    }
    const explanation = await explain(deps, walk)
    return { ok: true, explanation, about: walk.identity?.userId ?? address?.key ?? '-' }
  }
}

function readPresented (
  { assumeClaims, token, permissions, needsToken }: ExplainDeps, question: ExplainQuestion
): Presented | { readonly wanted: readonly string[] } {
  if (question.token !== undefined) {
    return token.inspect === null
      ? { wanted: ['claims: this program checks tokens itself, and cannot be asked'] }
      : { kind: 'token', token: question.token }
  }
  if (question.claims === undefined) return { kind: 'nothing' }
  const assumed = assumeClaims(question.claims)
  const lacksToken = needsToken && KINDS.some(({ list }) => question[list] !== undefined)
  const wanted = lacksToken ? [`token: with WS_AUTHORIZER=${permissions.settings.authorizer} the back end is asked with the user's own`] : []
  if ('wanted' in assumed) return { wanted: [...wanted, assumed.wanted] }
  return lacksToken ? { wanted } : { kind: 'claims', ...assumed }
}

type Judge = (deps: ExplainDeps, walk: Walk) => Finding | Promise<Finding>

/** The steps. Each is reached only where those before have passed, so that what they found is there. */
const JUDGES: Readonly<Record<StepName, Judge>> = {
  request: ({ request }, walk) => judgeRequest(request, toHead(walk.question, walk.host), (read) => { walk.request = read }),
  origin: ({ request }, { question, host }) => judgeOrigin(question.origin ?? '', host, request.settings),
  address: ({ address }, walk) => judgeAddress(address, walk.address, walk.ofAddress),
  token: async ({ token }, walk) => await judgeToken(token, walk.presented, (identity) => { walk.identity = identity }),
  async permissions ({ permissions }, { identity, request, question }) {
    if (identity === null || request === null) throw new Error('a step was passed over')
    return await judgePermissions(permissions, identity, { ...request, token: question.token ?? null })
  },
  async user_slot (deps, walk) {
    if (walk.identity === null) throw new Error('a step was passed over')
    return judgeSlots(deps.slots, walk.identity.userId, ownerOf(walk, walk.identity), walk.ofUser)
  }
}

function ownerOf ({ address }: Walk, identity: Identity): string | null {
  if (address !== null) return leaseOwner(identity, address)
  return identity.insecure ? null : identity.userId
}

async function explain (deps: ExplainDeps, walk: Walk): Promise<Explanation> {
  const steps: ExplainedStep[] = []
  let outcome: Explanation['outcome'] = 'accepted'
  for (const step of STEP_NAMES) {
    if (outcome !== 'accepted') {
      steps.push({ step, verdict: 'not_reached', because: NOT_REACHED })
      continue
    }
    const { refusal, ...words } = await JUDGES[step](deps, walk)
    steps.push({ step, verdict: refusal === null ? 'pass' : 'fail', ...words })
    if (refusal !== null) outcome = refusal.name
    if (step === 'token') walk.ofUser = await readSlots(deps, walk)
  }
  return { outcome, steps, limits: toLimits(walk) }
}

async function readSlots ({ readLimits }: ExplainDeps, walk: Walk): Promise<LimitsReading | null> {
  const owner = walk.identity === null ? null : ownerOf(walk, walk.identity)
  return owner === null ? null : await readLimits?.({ address: null, owner }) ?? null
}

function toLimits ({ ofAddress, ofUser }: Walk): ExplainedLimits {
  const [window, slots] = [ofAddress?.address ?? null, ofUser?.slots ?? null]
  const resetMs = window === null || window.waitMs === 0 ? window?.resetMs ?? 0 : window.waitMs
  return {
    ...(window === null ? {} : { address: { used: window.used, limit: window.limit, reset_s: Math.ceil(resetMs / 1000) } }),
    ...(slots === null ? {} : { user: { used: slots.used, limit: slots.limit } })
  }
}
