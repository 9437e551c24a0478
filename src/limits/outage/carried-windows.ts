import type { Admission, Admit, Grant, GrantRequest, GrantSettlement, Limiter } from '../limiter.js'
import type { MemoryLimiter } from '../memory/limiter.js'

export interface CarriedWindowsOptions {
  /** In Redis. */
  readonly shared: Limiter
  /** Told of all that the shared limiter lets through for this process. */
  readonly local: MemoryLimiter
  /** The longer of the two windows. */
  readonly windowMs: number
  /** Monotonic, in ms. */
  readonly now: () => number
}

export interface CarriedWindows {
  /** The shared limiter; after an outage, for as long as a window, what this process has counted itself decides as well. */
  readonly limiter: Limiter
  /** ms for which this process's own count refuses an attempt that the shared limiter would let in; 0: it does not. Counts nothing. */
  waitMs (request: Pick<Admit, 'address' | 'resume'>): number
  /** Counts what was spent of the shared limiter's grants, which it cannot be told now. Returns them in its own form. */
  noteSettled (settled: readonly GrantSettlement[]): GrantSettlement[]
  /** Redis is back, and may have come back empty. */
  noteRestored (): void
}

/**
 * Carries the windows of addresses over an outage, as far as one process can know them: what Redis let through before counts in
 * the windows of the outage, and both count after it. So a process lets an address have at most one window's worth in any window,
 * also where Redis has forgotten everything.
 */
export function createCarriedWindows ({ shared, local, windowMs, now }: CarriedWindowsOptions): CarriedWindows {
  let strictUntilMs = -Infinity

  const waitMs: CarriedWindows['waitMs'] = request => now() < strictUntilMs ? local.attemptWaitMs(request) : 0
  const note = (request: Admit, admission: Admission): Admission => {
    // An attempt that the user's slots refuse counts against its address.
    if (admission.admitted || admission.limit === 'user') local.noteAttempt(request)
    return admission
  }
  const takeGrant = async (request: GrantRequest, settled: readonly GrantSettlement[]): Promise<Grant> => {
    const told = noteSettled(settled)
    const { left, retryAfterMs } = now() < strictUntilMs ? local.messagesLeft(request.address) : { left: Infinity, retryAfterMs: 0 }
    const demand = Math.min(request.demand, left)
    if (demand === 0) {
      shared.settle(told)
      return { id: '', granted: 0, retryAfterMs, unsettledMs: 0 }
    }
    const spare = Math.min(request.spare, left - demand)
    const ahead = Math.min(request.ahead ?? 0, left - demand)
    const grant = await shared.takeGrant({ ...request, demand, spare, ahead }, told)
    const waited = Math.min(demand, grant.granted)
    local.noteMessages(request.address, waited)
    const isCut = demand < request.demand && grant.granted === demand
    return {
      ...grant,
      id: `${waited} ${grant.id}`,
      retryAfterMs: isCut ? local.messagesLeft(request.address).retryAfterMs : grant.retryAfterMs
    }
  }
  /** Of the spare messages only: those that frames waited for are counted already. */
  const noteSettled = (settled: readonly GrantSettlement[]): GrantSettlement[] => settled.map((one) => {
    const space = one.id.indexOf(' ')
    local.noteMessages(one.address, Math.max(0, one.spent - Number(one.id.slice(0, space))))
    return { ...one, id: one.id.slice(space + 1) }
  })

  return {
    limiter: {
      ...shared,
      admit: (request) => {
        const retryAfterMs = waitMs(request)
        if (retryAfterMs > 0) return Promise.resolve({ admitted: false, limit: 'address', retryAfterMs })
        return shared.admit(request).then(admission => note(request, admission))
      },
      takeGrant,
      settle: (settled) => { shared.settle(noteSettled(settled)) }
    },
    waitMs,
    noteSettled,
    noteRestored () { strictUntilMs = now() + windowMs }
  }
}
