import { KINDS, mapKinds, type ByKind } from '../kinds.js'
import type { Identity } from '../tokens/identity.js'
import { AccessError } from './access-error.js'
import { NOTHING_VISIBLE, type AskOptions, type Asked, type Authorizer, type OnUnsafe, type Visible } from './authorizer.js'
import { createBreaker } from './breaker.js'
import { createCallQueue } from './call-queue.js'
import { createCallerGroups, type Caller } from './caller-groups.js'
import { isId } from './id-shapes.js'
import { createPositiveCache, type Clocks } from './positive-cache.js'

/** Rows that answer "all that this user may see": one more than a connection may subscribe to, so that too many shows. */
export const LIST_LIMIT = 1001

const CACHED_IDS = 50_000
const FAILURES_TO_PROBE = 5
const OPEN_MS = 2000

/** When a question is given up. */
export interface Deadline {
  readonly signal: AbortSignal
  /** How long until then, in ms. */
  readonly remainingMs: () => number
}

export interface RemoteAuthorizerOptions {
  /** Asks the back end; must settle soon after the signal aborts. Rows that it finds, exactly as it writes their ids. */
  readonly ask: (identity: Identity, token: string, asked: Asked, deadline: Deadline) => Promise<Visible>
  /** Asks what the back end answers whenever it is there, and rejects by itself when it takes too long. */
  readonly probe: () => Promise<unknown>
  readonly close: () => Promise<void>
  /** Checks that run at once. */
  readonly places: number
  /** From the call to the answer, in ms, waiting included. */
  readonly checkTimeoutMs: number
  /** How long the back end may go on with a question that nobody waits for any more, in ms; 0: it stops in time by itself. */
  readonly lingerMs: number
  /** How long a positive answer is believed, in ms. */
  readonly cacheMs: number
  readonly clocks: Clocks
}

/** A user's question: who asks for what, and how it is meant. */
interface UserQuestion {
  readonly identity: Identity
  readonly token: string
  readonly asked: Asked
  readonly options: AskOptions
}

/**
 * Makes an authorizer around a back end that must be asked: with a deadline, places that no user can take from the others,
 * a circuit breaker and a short cache of positive answers. Rejects with `AccessError` or `UnsafeDatabaseError` when there
 * is no answer.
 */
export function createRemoteAuthorizer (options: RemoteAuthorizerOptions): Authorizer {
  const { ask, probe, places, checkTimeoutMs, lingerMs, clocks } = options
  const { now } = clocks
  const cache = createPositiveCache({ maxEntries: CACHED_IDS, lifetimeMs: options.cacheMs, clocks })
  const queue = createCallQueue({ groups: createCallerGroups({ places, slowMs: checkTimeoutMs / 2, now }), lingerMs, now })
  let tellUnsafe: OnUnsafe = () => {}
  const breaker = createBreaker({
    probe,
    failures: FAILURES_TO_PROBE,
    openMs: OPEN_MS,
    now,
    onUnsafe (error) {
      cache.forget(null)
      tellUnsafe(error?.reasons ?? null)
    }
  })
  const running = new Set<AbortController>()
  let closed = false

  async function askInTime ({ identity, token, asked, options }: UserQuestion): Promise<Visible> {
    const deadline = new AbortController()
    const endAtMs = performance.now() + checkTimeoutMs
    const timer = setTimeout(() => { deadline.abort() }, checkTimeoutMs)
    const { signal } = deadline
    running.add(deadline)
    try {
      return await queue.run(signal, toCaller(identity, asked, options), async () =>
        await breaker.run(() => ask(identity, token, asked, { signal, remainingMs: () => endAtMs - performance.now() })))
    } finally {
      clearTimeout(timer)
      running.delete(deadline)
    }
  }

  async function visibleBeyondCache (asked: Asked, question: UserQuestion): Promise<Visible> {
    const { identity, asked: unknown } = question
    const asking = cache.ask(identity)
    const found = await askInTime(question)
    return mapKinds(({ claim }) => {
      const wanted = unknown[claim]
      const fresh = confirmed(wanted, found[claim])
      if (wanted === '*') return fresh
      cache.add(identity, claim, fresh, asking)
      // A re-check may find withdrawn what was remembered: a new subscription must not bring it back.
      if (fresh.length < wanted.length) cache.drop(identity, claim, without(wanted, fresh))
      return inOrder(asked[claim], wanted, fresh)
    })
  }

  return {
    local: false,
    visible (identity, token, asked, options) {
      // A break-glass visitor would be an authenticated user to the policies.
      if (identity.insecure) return NOTHING_VISIBLE
      if (closed) return Promise.reject(new AccessError('the authorizer is closed'))
      // What an unsafe back end said before counts for nothing.
      const fresh = options.fresh || breaker.unsafe !== null
      const unknown = mapKinds(({ claim }) => {
        const ids = asked[claim]
        return fresh || ids === '*' ? ids : ids.filter((id) => !cache.has(identity, claim, id))
      })
      if (namesOnly(asked) && KINDS.every(({ claim }) => unknown[claim].length === 0)) return asked
      return visibleBeyondCache(asked, { identity, token, asked: unknown, options })
    },
    forget: cache.forget,
    watchSafety (onUnsafe) {
      tellUnsafe = onUnsafe
      if (breaker.unsafe !== null) onUnsafe(breaker.unsafe.reasons)
    },
    async close () {
      closed = true
      breaker.close()
      for (const deadline of running) deadline.abort()
      await options.close()
    }
  }
}

function toCaller ({ userId }: Identity, asked: Asked, { recheck = false }: AskOptions): Caller {
  return { userId, list: !namesOnly(asked), recheck }
}

/** Nothing asked for is `*`: the cache, which knows ids, may answer. */
function namesOnly (asked: Asked): asked is ByKind<readonly string[]> {
  return KINDS.every(({ claim }) => asked[claim] !== '*')
}

/** Only what was asked for counts, whatever the back end sends. */
function confirmed (asked: readonly string[] | '*', found: readonly string[]): readonly string[] {
  if (asked === '*') return found.filter(isId)
  const names = new Set(found)
  return asked.filter((id) => names.has(id))
}

function without (ids: readonly string[], taken: readonly string[]): readonly string[] {
  const gone = new Set(taken)
  return ids.filter(id => !gone.has(id))
}

/** The allowed ids as they were asked for: those from the cache, and the fresh ones. */
function inOrder (asked: readonly string[] | '*', unknown: readonly string[], fresh: readonly string[]): readonly string[] {
  if (asked === '*' || asked.length === unknown.length) return fresh
  return without(asked, without(unknown, fresh))
}
