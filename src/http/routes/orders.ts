import type { AdminAction } from '../../observe/operator-audit.js'
import type { ClientAddress } from '../../address/client-address.js'
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

/** Told of each order once it is answered. */
export type OnAdminAction = (action: AdminAction) => void

/** An order as its route knows it before it is answered. */
export interface Order extends Pick<AdminAction, 'action' | 'target' | 'issuer' | 'durationMs'> {
  readonly address: ClientAddress
  /** Rejects when it cannot be kept. */
  run (): Promise<void>
}

/** Has an order done, and tells of it. One that could not be kept where it survives a restart has not been carried out: 503. */
export async function carryOut (onAction: OnAdminAction, { run, address, ...order }: Order): Promise<Answer> {
  const answer = await run().then(() => DONE, () => REDIS_AWAY)
  onAction({ ...order, ip: address.ip, status: answer.status })
  return answer
}
