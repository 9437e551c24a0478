import type { Lease, Resume } from '../limits/limiter.js'
import { refuse, type Refusal } from '../refusals.js'
import type { GenuineTicket } from '../tickets/tickets.js'
import type { Identity } from '../tokens/identity.js'
import { askLimits, type AskLimitsDeps } from './ask-limits.js'
import type { Attempt } from './attempt.js'
import { asksForSomething, isGranted, type Granted } from './authorize.js'
import { isIdentity, type Identify } from './identify.js'
import { ConnectionLease, leaseOwner } from './lease-record.js'
import { permitAgain, permitUpgrade, type PermitUpgradeDeps } from './permit-upgrade.js'

export interface DecideDeps extends AskLimitsDeps, PermitUpgradeDeps {
  readonly identify: Identify
  /** Live sockets of a lease owner in this process are at the limit already. */
  readonly userIsFull: (leaseOwner: string) => boolean
  /** An upgrade was refused for that, without asking the limits. */
  readonly noteUserFull: () => void
  readonly newConnectionId: () => string
}

const USER_FULL = refuse('user_connection_limit', { retryAfterMs: 5000 })
/** The answer to an attempt that was settled meanwhile: nobody is told. */
const TOO_LATE = refuse('unavailable', { retryAfterMs: 1000, detail: 'deadline' })

/**
 * Decides an attempt whose address may come in: who it is, what they may see, whether there is room. May throw. Not async:
 * every upgrade waits here, and what each such function keeps meanwhile outlives a scavenge.
 */
export function decide (deps: DecideDeps, attempt: Attempt): Promise<Granted | Refusal> {
  return attempt.ticket === null ? decideByToken(deps, attempt) : decideByTicket(deps, attempt, attempt.ticket)
}

/** A good ticket was counted when it was asked for, and then its token decides; any other counts as an attempt. */
async function decideByTicket (deps: DecideDeps, attempt: Attempt, ticket: GenuineTicket | Refusal): Promise<Granted | Refusal> {
  const redeemed = 'redeem' in ticket ? await ticket.redeem() : ticket
  if (attempt.settled) return TOO_LATE
  if ('name' in redeemed) return await askLimits(deps, attempt, { address: countedAddress(attempt), lease: null }, () => redeemed)
  const { token, ...proof } = redeemed
  attempt.request = { ...attempt.request, token }
  attempt.proof = proof
  attempt.redeemed = true
  return await decideByToken(deps, attempt)
}

function decideByToken (deps: DecideDeps, attempt: Attempt): Promise<Granted | Refusal> {
  const { request } = attempt
  const who = deps.identify.now(request.token, attempt.proof)
  const asksBackEnd = !deps.authorizer.local && asksForSomething(request)
  if (who === null || (isIdentity(who) && asksBackEnd)) return decideRemotely(deps, attempt)
  const granted = isIdentity(who) ? permitUpgrade(deps, attempt, who) : who
  return granted instanceof Promise
    ? granted.then(answer => decideLimits(deps, attempt, who, answer))
    : decideLimits(deps, attempt, who, granted)
}

/** Everything but the limits is decided, so address and slot go in one call. */
function decideLimits (
  deps: DecideDeps, attempt: Attempt, who: Identity | Refusal, granted: Granted | Refusal
): Promise<Granted | Refusal> {
  const full = isGranted(granted) && isIdentity(who) && deps.userIsFull(leaseOwner(who, attempt.address))
  const lease = isGranted(granted) && isIdentity(who) && !full ? newLease(deps, attempt, who) : null
  const question = { address: countedAddress(attempt), lease, resume: passOf(attempt, who) }
  return askLimits(deps, attempt, question, () => full ? refuseFull(deps) : granted)
}

/**
 * An issuer or a database must be asked, and neither is asked for an address that is over its limit. With a pass, which
 * its holder may show a few times only, the token comes first: a pass is spent beside a verified token, not before.
 */
async function decideRemotely (deps: DecideDeps, attempt: Attempt): Promise<Granted | Refusal> {
  const early = attempt.pass === null ? null : await deps.identify.wait(attempt.request.token, attempt.proof)
  if (attempt.settled) return TOO_LATE
  const resume = early === null ? null : passOf(attempt, early)
  const limited = await askLimits(deps, attempt, { address: countedAddress(attempt), lease: null, resume }, () => null)
  if (limited !== null) return limited
  const who = early ?? await deps.identify.wait(attempt.request.token, attempt.proof)
  if (!isIdentity(who)) return who
  if (attempt.settled) return TOO_LATE
  const granted = await permitUpgrade(deps, attempt, who)
  if (!isGranted(granted)) return granted
  if (attempt.settled) return TOO_LATE
  if (deps.userIsFull(leaseOwner(who, attempt.address))) return refuseFull(deps)
  const full = await askLimits(deps, attempt, { address: null, lease: newLease(deps, attempt, who) }, () => null)
  return full ?? await permitAgain(deps, attempt, who, granted)
}

function refuseFull ({ noteUserFull }: DecideDeps): Refusal {
  noteUserFull()
  return USER_FULL
}

const countedAddress = ({ exempt, redeemed, address }: Attempt): string | null => exempt || redeemed ? null : address.key

/** A pass spares the address's limit beside a verified token of its own user; otherwise it counts for nothing. */
const passOf = ({ pass }: Attempt, who: Identity | Refusal): Resume | null =>
  pass !== null && isIdentity(who) && pass.isFor(who) ? pass.resume : null

const newLease = ({ newConnectionId }: DecideDeps, { address, request }: Attempt, who: Identity): Lease =>
  new ConnectionLease(newConnectionId(), who, address, request.path, Date.now())
