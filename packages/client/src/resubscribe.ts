import { isFinal } from './close-policy.js'
import type { ClientFrame, ServerFrame } from './frames.js'
import type { Pause } from './pause.js'
import type { Recovery } from './recovery.js'
import { RequestError } from './request-error.js'
import type { AskOptions } from './requests.js'
import type { Denied } from './signals.js'
import { halve, toFilterLists } from './topics.js'
import type { Wanted } from './wanted.js'

export interface ResubscribeOptions {
  readonly wanted: Wanted
  /** Ids that a list may hold. */
  readonly maxIds: number
  readonly recovery: Recovery
  /** What is asked for on the first visit; undefined: nothing. */
  readonly last: number | undefined
  readonly ask: (frame: ClientFrame, options: AskOptions) => Promise<ServerFrame>
  readonly onDenied: (denied: Denied) => void
  /** Waits, at most until the connection has ended. */
  readonly pause: Pause
}

/** Most frames sent to find the denied ids: each counts as a message. */
const MAX_HALVINGS = 12
/** Waits that the gateway may ask for before the connection is given up. */
const MAX_WAITS = 10

/**
 * Subscribes a new connection to all that is wanted, one frame after the other. What is denied is told, and not wanted any more; all else
 * is confirmed when this resolves. Rejects when the connection ends first, or does not answer.
 */
export async function resubscribe ({ wanted, recovery, last, maxIds, ask, onDenied, pause }: ResubscribeOptions): Promise<void> {
  const chunks = wanted.chunks(maxIds)
  let [halvings, waits, asksLast] = [0, 0, last !== undefined]

  async function settle (topics: string[], error: unknown): Promise<void> {
    if (!(error instanceof RequestError)) throw error
    recovery.refused(topics)
    // Perhaps the gateway keeps less than that, or nothing: better the topics without their last events than no topics.
    if (error.reason === 'bad_request' && asksLast) {
      asksLast = false
      chunks.unshift(topics)
      return
    }
    if (isFinal(error.reason)) {
      if (topics.length > 1 && (error.reason === 'frame_too_large' || halvings++ < MAX_HALVINGS)) {
        chunks.unshift(...halve(topics))
        return
      }
      wanted.drop(topics)
      recovery.forget(topics)
      return onDenied({ topics, reason: error.reason })
    }
    if (error.retryAfterMs === null || waits++ >= MAX_WAITS) throw error
    chunks.unshift(topics)
    await pause(error.retryAfterMs)
  }

  for (let chunk = chunks.shift(); chunk !== undefined; chunk = chunks.shift()) {
    // Meanwhile the application may have left some.
    const topics = chunk.filter(topic => wanted.has(topic))
    if (topics.length === 0) continue
    try {
      await ask({ type: 'subscribe', ...toFilterLists(topics) }, {
        more: () => recovery.recall(topics, asksLast ? last : undefined),
        onAnswer: (answer) => { if (answer.type === 'subscribed') wanted.confirm(answer) }
      })
    } catch (error) {
      await settle(topics, error)
    }
  }
}
