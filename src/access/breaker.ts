import { AccessError, UnsafeDatabaseError } from './access-error.js'
import { describeAccessFault } from './access-fault.js'

export interface BreakerOptions {
  /** Asks the back end what it answers whenever it is there, and in bounded time. Rejects when it is away or unsafe. */
  readonly probe: () => Promise<unknown>
  /** Failures in a row after which the probe is asked: 1 or more. */
  readonly failures: number
  /** How long it stays open before the probe may try again, in ms. */
  readonly openMs: number
  readonly now: () => number
  /** The back end does not protect its rows (the reason), or protects them again (null). Told once for each change. */
  readonly onUnsafe: (error: UnsafeDatabaseError | null) => void
}

/** Keeps calls away from a back end that does not answer, and from one that is not safe. */
export interface Breaker {
  /** Runs the work. Rejects at once while open: with `AccessError`, or with the `UnsafeDatabaseError` that opened it. */
  run<T> (work: () => Promise<T>): Promise<T>
  /** The same, but what becomes of it is not noted, and no probe is asked: save that a back end which is found unsafe is so for all. */
  runUnnoted<T> (work: () => Promise<T>): Promise<T>
  /** Why nothing may be asked or given; null: it is safe as far as is known. */
  readonly unsafe: UnsafeDatabaseError | null
  close (): void
}

/** Says why it was found to be away. */
function away (opened: { readonly error: unknown }): AccessError {
  const { reason, code } = describeAccessFault(opened.error)
  return new AccessError(reason, 'the back end is away; not asked again yet', { code })
}

/**
 * Makes a circuit breaker. Questions of users never open it: theirs may be slow, or fail, for them alone. After `failures`
 * failures in a row the probe is asked, and its failure opens. After `openMs` the probe is asked again, not a user's
 * question. Only a check that finds the back end unsafe opens it at once; then the probe is asked by a timer as well, as a
 * process that is not ready may get no calls.
 */
export function createBreaker ({ probe, failures, openMs, now, onUnsafe }: BreakerOptions): Breaker {
  let failed = 0
  let opened: { readonly error: unknown, readonly untilMs: number } | null = null
  let unsafe: UnsafeDatabaseError | null = null
  let probing: Promise<void> | null = null
  let timer: NodeJS.Timeout | undefined

  function open (error: unknown): void {
    opened = { error, untilMs: now() + openMs }
    if (!(error instanceof UnsafeDatabaseError)) return
    // An unsafe back end that is away meanwhile stays unsafe until it is seen to be safe.
    timer ??= setInterval(() => { void askProbe() }, openMs).unref()
    const told = unsafe?.message === error.message
    unsafe = error
    if (!told) onUnsafe(error)
  }

  function closeAgain (): void {
    failed = 0
    opened = null
    clearInterval(timer)
    timer = undefined
    if (unsafe === null) return
    unsafe = null
    onUnsafe(null)
  }

  function askProbe (): Promise<void> {
    const before = opened
    // What was found unsafe while the probe was under way is younger than its answer.
    probing ??= probe().then(() => { if (opened === before) closeAgain() }, open).finally(() => { probing = null })
    return probing
  }

  /** Resolves when the work may run. */
  async function admit (): Promise<void> {
    if (opened === null) return
    if (probing === null && now() >= opened.untilMs) await askProbe()
    else throw unsafe ?? away(opened)
    if (opened !== null) throw unsafe ?? away(opened)
  }

  function noteUnsafe (error: unknown): never {
    if (error instanceof UnsafeDatabaseError) open(error)
    throw error
  }

  function noteFailure (error: unknown): never {
    if (error instanceof UnsafeDatabaseError) return noteUnsafe(error)
    if (error instanceof AccessError && error.answered) failed = 0
    else if (++failed >= failures && opened === null) void askProbe()
    throw error
  }

  return {
    async run (work) {
      if (opened !== null) await admit()
      const result = await work().catch(noteFailure)
      failed = 0
      return result
    },
    async runUnnoted (work) {
      if (opened !== null) throw unsafe ?? away(opened)
      return await work().catch(noteUnsafe)
    },
    get unsafe () { return unsafe },
    close () { clearInterval(timer) }
  }
}
