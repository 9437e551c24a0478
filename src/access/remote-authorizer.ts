import { KINDS, mapKinds, type ByKind } from '../kinds.js'
import type { Identity } from '../tokens/identity.js'
import { AccessError } from './access-error.js'
import { NOTHING_VISIBLE, type Asked, type Authorizer, type Visible } from './authorizer.js'
import { createBreaker } from './breaker.js'
import { createCallQueue } from './call-queue.js'
import { isId } from './id-shapes.js'
import { createPositiveCache, type Clocks } from './positive-cache.js'

/** Rows that answer "all that this user may see": one more than a connection may subscribe to, so that too many shows. */
export const LIST_LIMIT = 1001

const CACHED_IDS = 50_000
const FAILURES_TO_OPEN = 5
const OPEN_MS = 2000
const WAITING_PER_PLACE = 50

export interface RemoteAuthorizerOptions {
  /** Asks the back end; must settle soon after the signal aborts. Rows that it finds, exactly as it writes their ids. */
  readonly ask: (identity: Identity, token: string, asked: Asked, signal: AbortSignal) => Promise<Visible>
  readonly close: () => Promise<void>
  /** Checks that run at once. */
  readonly places: number
  /** From the call to the answer, in ms, waiting included. */
  readonly checkTimeoutMs: number
  /** How long a positive answer is believed, in ms. */
  readonly cacheMs: number
  readonly clocks: Clocks
}

/**
 * Makes an authorizer around a back end that must be asked: with a deadline, a bounded queue, a circuit breaker and a
 * short cache of positive answers. Rejects with `AccessError` or `UnsafeDatabaseError` when there is no answer.
 */
export function createRemoteAuthorizer (options: RemoteAuthorizerOptions): Authorizer {
  const { ask, places, checkTimeoutMs, clocks } = options
  const cache = createPositiveCache({ maxEntries: CACHED_IDS, lifetimeMs: options.cacheMs, clocks })
  const queue = createCallQueue(places, places * WAITING_PER_PLACE)
  const breaker = createBreaker({ failures: FAILURES_TO_OPEN, openMs: OPEN_MS, now: clocks.now })
  const running = new Set<AbortController>()
  let closed = false

  async function askInTime (identity: Identity, token: string, asked: Asked): Promise<Visible> {
    const deadline = new AbortController()
    const timer = setTimeout(() => { deadline.abort() }, checkTimeoutMs)
    running.add(deadline)
    try {
      return await queue.run(deadline.signal, () => breaker.run(() => ask(identity, token, asked, deadline.signal)))
    } finally {
      clearTimeout(timer)
      running.delete(deadline)
    }
  }

  async function visibleBeyondCache (identity: Identity, token: string, asked: Asked, unknown: Asked): Promise<Visible> {
    const askedAtMs = clocks.now()
    const found = await askInTime(identity, token, unknown)
    return mapKinds(({ claim }) => {
      const wanted = unknown[claim]
      const fresh = confirmed(wanted, found[claim])
      if (wanted === '*') return fresh
      cache.add(identity, claim, fresh, askedAtMs)
      // A re-check may find withdrawn what was remembered: a new subscription must not bring it back.
      if (fresh.length < wanted.length) cache.drop(identity, claim, without(wanted, fresh))
      return inOrder(asked[claim], wanted, fresh)
    })
  }

  return {
    local: false,
    visible (identity, token, asked, { fresh }) {
      // A break-glass visitor would be an authenticated user to the policies.
      if (identity.insecure) return NOTHING_VISIBLE
      if (closed) return Promise.reject(new AccessError('the authorizer is closed'))
      const unknown = mapKinds(({ claim }) => {
        const ids = asked[claim]
        return fresh || ids === '*' ? ids : ids.filter((id) => !cache.has(identity, claim, id))
      })
      if (namesOnly(asked) && KINDS.every(({ claim }) => unknown[claim].length === 0)) return asked
      return visibleBeyondCache(identity, token, asked, unknown)
    },
    forget: cache.clear,
    async close () {
      closed = true
      for (const deadline of running) deadline.abort()
      await options.close()
    }
  }
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
