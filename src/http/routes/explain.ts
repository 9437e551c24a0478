import type { Explain } from '../../explain/explanation.js'
import { describeOperationFault, OperationFault } from '../../operation-fault.js'
import { ExplanationSchema } from '../answer-schemas.js'
import { refusalAnswer, unavailableAnswer } from '../answers.js'
import type { BodyBounds } from '../collect-body.js'
import { createRoute } from '../create-route.js'
import { ExplainRequest, readQuestion } from '../read-question.js'
import { ExplainBodySchema } from '../request-schemas.js'
import { NO_INPUT, type Route } from '../route.js'
import type { Secret } from '../secrets.js'
import type { Shape } from '../shape.js'
import { DESCRIBED_UNDONE, type OnAdminAction } from './orders.js'

export interface ExplainRoutesDeps {
  readonly explain: Explain
  readonly secret: Secret
  readonly onAction: OnAdminAction
}

/** Room for a token that is too long, and for all filters that an upgrade takes. */
const EXPLAIN_BODY: BodyBounds = { maxBytes: 65_536, timeoutMs: 10_000 }
/** Each member is held to its schema where it is read, so that all that are wrong are told at once. */
const QUESTION: Shape<ExplainRequest> = {
  schema: ExplainBodySchema, wanted: '', fits: (value): value is ExplainRequest => value instanceof ExplainRequest
}

/** What operators ask of an upgrade that was refused, or might be. */
export function createExplainRoutes ({ explain, secret, onAction }: ExplainRoutesDeps): Route[] {
  return [createRoute({
    ...NO_INPUT,
    method: 'POST',
    path: '/v1/explain',
    secret,
    body: { bounds: EXPLAIN_BODY, parse: readQuestion, shape: QUESTION },
    tag: 'operators',
    summary: 'What an upgrade would be answered now, and why',
    description: 'Goes through the steps of an upgrade by the real keys, Redis and database, with every effect left out: nothing is counted, leased, cached or banned, no key is fetched, and no attempt is written down. With several `WORKERS` one of them answers. A 400 names each member that is wrong.',
    answers: {
      200: { description: 'What each step finds. The first that fails is the outcome.', schema: ExplanationSchema },
      503: DESCRIBED_UNDONE
    },
    async handle ({ body, address: { ip } }) {
      try {
        const answer = await explain(body.question, body.faults)
        if (!answer.ok) return refusalAnswer('bad_request', answer.fault)
        onAction({ action: 'explain', target: answer.about, ip, status: 200 })
        return { status: 200, body: answer.explanation }
      } catch (error) {
        if (!(error instanceof OperationFault)) throw error
        const answer = unavailableAnswer(describeOperationFault(error))
        onAction({ action: 'explain', target: '-', ip, status: answer.status, detail: describeOperationFault(error) })
        return answer
      }
    }
  })]
}
