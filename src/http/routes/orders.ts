import type { AdminAction } from '../../observe/operator-audit.js'
import type { ClientAddress } from '../../address/client-address.js'
import { unavailableAnswer, type Answer } from '../answers.js'
import type { BodyBounds } from '../collect-body.js'
import { describeRefusal } from '../describe-answer.js'
import { describeOperationFault } from '../operation-fault.js'
import type { RouteDescription } from '../route.js'

/** Of the body of an order. */
export const ORDER_BODY: BodyBounds = { maxBytes: 16_384, timeoutMs: 10_000 }

const DONE: Answer = { status: 204 }

/** 503, with what is known of the cause. `error`: what the operation was rejected with. */
export const answerUndone = (error: unknown): Answer => unavailableAnswer(describeOperationFault(error))

/** For a route that answers 503 with a cause. */
export const DESCRIBED_UNDONE = describeRefusal(
  'It is not done, and the message says why: try again. An order may have been kept although the answer was lost; to order it again does no harm.',
  unavailableAnswer('Redis cannot do it now: it does not answer in time')
)

/** What an order answers. */
export const ORDER_ANSWERS: RouteDescription['answers'] = {
  204: { description: 'Done, here and within a second on every process.' },
  503: DESCRIBED_UNDONE
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
  try {
    await run()
    onAction({ ...order, ip: address.ip, status: DONE.status })
    return DONE
  } catch (error) {
    const answer = answerUndone(error)
    onAction({ ...order, ip: address.ip, status: answer.status, detail: describeOperationFault(error) })
    return answer
  }
}
