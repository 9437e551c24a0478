import { unavailableAnswer, type Answer } from '../answers.js'
import type { BodyBounds } from '../collect-body.js'
import { describeRefusal } from '../describe-answer.js'
import type { RouteDescription } from '../route.js'

/** Of the body of an order. */
export const ORDER_BODY: BodyBounds = { maxBytes: 16_384, timeoutMs: 10_000 }

const DONE: Answer = { status: 204 }

/** Redis could not be asked. */
export const REDIS_AWAY = unavailableAnswer('Redis cannot be asked now; try again')

/** For a route that answers 503 when Redis cannot be asked. */
export const DESCRIBED_REDIS_AWAY = describeRefusal('Redis cannot keep it, or cannot be asked: try again.', REDIS_AWAY)

/** What an order answers. */
export const ORDER_ANSWERS: RouteDescription['answers'] = {
  204: { description: 'Done, here and within a second on every process.' },
  503: DESCRIBED_REDIS_AWAY
}

/** Waits for an order. One that could not be kept where it survives a restart has not been carried out: 503. */
export async function carryOut (order: Promise<void>): Promise<Answer> {
  try {
    await order
    return DONE
  } catch {
    return REDIS_AWAY
  }
}
