import type { Identity } from '../tokens/identity.js'
import { UnsafeDatabaseError } from './access-error.js'
import type { AskOptions, Asked, Visible } from './authorizer.js'
import { createBreaker } from './breaker.js'
import { createCallQueue } from './call-queue.js'
import { createCallerGroups } from './caller-groups.js'

const FAILURES_TO_PROBE = 5
const OPEN_MS = 2000

/** When a question is given up. */
export interface Deadline {
  readonly signal: AbortSignal
  /** How long until then, in ms. */
  readonly remainingMs: () => number
}

/** A user's question: who asks for what, and how it is meant. */
export interface Question {
  readonly identity: Identity
  readonly token: string
  readonly asked: Asked
  readonly options: AskOptions
}

export interface AskerOptions {
  /** Asks the back end; must settle soon after the signal aborts. Rows that it finds, exactly as it writes their ids. */
  readonly ask: (identity: Identity, token: string, asked: Asked, deadline: Deadline) => Promise<Visible>
  /** Asks what the back end answers whenever it is there, and rejects by itself when it takes too long. */
  readonly probe: () => Promise<unknown>
  /** Checks that run at once. */
  readonly places: number
  /** From the call to the answer, in ms, waiting included. */
  readonly checkTimeoutMs: number
  /** How long the back end may go on with a question that nobody waits for any more, in ms; 0: it stops in time by itself. */
  readonly lingerMs: number
  /** Monotonic, in ms. */
  readonly now: () => number
  /** The back end does not protect its rows, or does again (null). */
  readonly onUnsafe: (error: UnsafeDatabaseError | null) => void
}

/** Asks a back end users' questions: each in its time, on places that no user can take from the others, while it is there and safe. */
export interface Asker {
  ask (question: Question): Promise<Visible>
  /** Why nothing may be given; null: it is safe as far as is known. */
  readonly unsafe: UnsafeDatabaseError | null
  /** Ends what runs and waits. */
  close (): void
}

/** Makes the asker. Its answers reject with `AccessError` or `UnsafeDatabaseError`. */
export function createAsker ({ ask, probe, places, checkTimeoutMs, lingerMs, now, onUnsafe }: AskerOptions): Asker {
  const queue = createCallQueue({ groups: createCallerGroups({ places, slowMs: checkTimeoutMs / 2, now }), lingerMs, now })
  const breaker = createBreaker({ probe, failures: FAILURES_TO_PROBE, openMs: OPEN_MS, now, onUnsafe })
  const running = new Set<AbortController>()

  return {
    async ask ({ identity, token, asked, options: { recheck = false, leavesNoTrace = false } }) {
      const deadline = new AbortController()
      const { signal } = deadline
      const endAtMs = performance.now() + checkTimeoutMs
      const timer = setTimeout(() => { deadline.abort() }, checkTimeoutMs)
      running.add(deadline)
      const caller = { userId: identity.userId, list: Object.values(asked).includes('*'), recheck }
      try {
        const run = leavesNoTrace ? breaker.runUnnoted : breaker.run
        return await queue.run(signal, caller, async () =>
          await run(() => ask(identity, token, asked, { signal, remainingMs: () => endAtMs - performance.now() })))
      } finally {
        clearTimeout(timer)
        running.delete(deadline)
      }
    },
    get unsafe () { return breaker.unsafe },
    close () {
      breaker.close()
      for (const deadline of running) deadline.abort()
    }
  }
}
