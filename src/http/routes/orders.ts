import type { AdminAction } from '../../observe/operator-audit.js'
import type { ClientAddress } from '../../address/client-address.js'
import { unavailableAnswer, type Answer } from '../answers.js'
import type { BodyBounds } from '../collect-body.js'
import { describeRefusal } from '../describe-answer.js'
import { describeOperationFault, outcomeOfOperation } from '../../operation-fault.js'
import type { RouteDescription } from '../route.js'

/** Of the body of an order. */
export const ORDER_BODY: BodyBounds = { maxBytes: 16_384, timeoutMs: 10_000 }

const DONE: Answer = { status: 204 }

/** 503, with what is known of the cause. `error`: what the operation was rejected with. */
export const answerUndone = (error: unknown): Answer => unavailableAnswer(describeOperationFault(error))

const CAUSE = 'Redis cannot do it now: it does not answer in time'
const NOT_KEPT = 'it was not kept'
const MAY_BE_KEPT = 'it may have been kept all the same, and ordering it again does no harm'

/** For a route that answers 503 with a cause. */
export const DESCRIBED_UNDONE = describeRefusal('It is not done, and the message says why: try again.', unavailableAnswer(CAUSE))

/** The cause, and whether the order counts all the same. */
function describeUnkept (error: unknown): string {
  return `${describeOperationFault(error)}; ${outcomeOfOperation(error) === 'undone' ? NOT_KEPT : MAY_BE_KEPT}`
}

/** What an order answers. */
export const ORDER_ANSWERS: RouteDescription['answers'] = {
  204: {
    description: 'Kept, and done here; on every process within a second, or within 30 s where Redis did not take the message to them (`control.untold` in the log).'
  },
  503: describeRefusal(
    `Redis did not say that it is kept, and the message says why. It ends with \`${NOT_KEPT}\`, or, where the answer was lost, with \`${MAY_BE_KEPT}\`: try again in either case.`,
    unavailableAnswer(`${CAUSE}; ${MAY_BE_KEPT}`)
  )
}

/** Told of each order once it is answered. */
export type OnAdminAction = (action: AdminAction) => void

/** An order as its route knows it before it is answered. */
export interface Order extends Pick<AdminAction, 'action' | 'target' | 'issuer' | 'durationMs'> {
  readonly address: ClientAddress
  /** Rejects when it cannot be kept. */
  run (): Promise<void>
}

/** Has an order done, and tells of it. 503 unless it is known to be kept where it survives a restart. */
export async function carryOut (onAction: OnAdminAction, { run, address, ...order }: Order): Promise<Answer> {
  try {
    await run()
    onAction({ ...order, ip: address.ip, status: DONE.status })
    return DONE
  } catch (error) {
    const detail = describeUnkept(error)
    const answer = unavailableAnswer(detail)
    onAction({ ...order, ip: address.ip, status: answer.status, detail })
    return answer
  }
}
