import { KINDS, mapKinds, type ByKind } from '../kinds.js'
import { AccessError } from './access-error.js'
import { createAsker, type AskerOptions, type Question } from './asker.js'
import { confirm } from './confirm.js'
import { NOTHING_VISIBLE, type Asked, type Authorizer, type OnUnsafe, type Visible } from './authorizer.js'
import { createPositiveCache, type Clocks } from './positive-cache.js'

/** Rows that answer "all that this user may see": one more than a connection may subscribe to, so that too many shows. */
export const LIST_LIMIT = 1001

const CACHED_IDS = 50_000

export interface RemoteAuthorizerOptions extends Omit<AskerOptions, 'now' | 'onUnsafe'> {
  readonly close: () => Promise<void>
  /** How long a positive answer is believed, in ms. */
  readonly cacheMs: number
  readonly clocks: Clocks
}

/**
 * Makes an authorizer around a back end that must be asked: with a deadline, places that no user can take from the others,
 * a circuit breaker and a short cache of positive answers. Rejects with `AccessError` or `UnsafeDatabaseError` when there
 * is no answer.
 */
export function createRemoteAuthorizer (options: RemoteAuthorizerOptions): Authorizer {
  const { cacheMs, clocks } = options
  const cache = createPositiveCache({ maxEntries: CACHED_IDS, lifetimeMs: cacheMs, clocks })
  let tellUnsafe: OnUnsafe = () => {}
  let closed = false
  const asker = createAsker({
    ...options,
    now: clocks.now,
    onUnsafe (error) {
      cache.forget(null)
      tellUnsafe(error?.reasons ?? null)
    }
  })

  async function visibleBeyondCache (asked: Asked, question: Question): Promise<Visible> {
    const { identity, asked: unknown } = question
    const asking = cache.ask(identity)
    const found = await asker.ask(question)
    return mapKinds(({ claim }) => {
      const wanted = unknown[claim]
      const fresh = confirm(wanted, found[claim])
      if (wanted === '*' || question.options.leavesNoTrace === true) return fresh
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
      if (closed) return Promise.reject(new AccessError('stopping', 'the authorizer is closed'))
      // What an unsafe back end said before counts for nothing.
      const fresh = options.fresh || asker.unsafe !== null
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
      if (asker.unsafe !== null) onUnsafe(asker.unsafe.reasons)
    },
    async close () {
      closed = true
      asker.close()
      await options.close()
    }
  }
}

/** Nothing asked for is `*`: the cache, which knows ids, may answer. */
function namesOnly (asked: Asked): asked is ByKind<readonly string[]> {
  return KINDS.every(({ claim }) => asked[claim] !== '*')
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
