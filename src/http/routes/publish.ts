import type { Publishing } from '../../bus/publishing.js'
import type { Publication, Published } from '../../history/history.js'
import { formatPosition } from '../../history/position.js'
import { describeOperationFault, outcomeOfOperation } from '../../operation-fault.js'
import type { RefusalName } from '../../refusals.js'
import type { Tracer } from '../../observe/tracing/tracer.js'
import { readTraceparent } from '../../wire/traceparent.js'
import { PublishAnswerSchema } from '../answer-schemas.js'
import { unavailableAnswer, type Answer } from '../answers.js'
import type { BodyBounds } from '../collect-body.js'
import { createRoute } from '../create-route.js'
import { describeRefusal } from '../describe-answer.js'
import { PublishRequest, readPublications } from '../read-publications.js'
import { MAX_PUBLICATIONS, PublishRequestSchema } from '../request-schemas.js'
import { NO_INPUT, type Route } from '../route.js'
import type { Secret } from '../secrets.js'
import type { Shape } from '../shape.js'

export interface PublishRoutesDeps {
  readonly publishing: Publishing
  readonly secret: Secret
  /** Writes a span of each request; null: none is written. */
  readonly tracer: Tracer | null
  /** Events carry the request's `traceparent`. */
  readonly tracesEvents: boolean
}

/** What became of one event, as its publisher reads it. */
interface Accepted { readonly accepted: true, readonly pos?: string, readonly duplicate?: true }
interface NotAccepted { readonly accepted: false, readonly error: RefusalName, readonly message: string }
/** `tried`: the store may have it, or has said no to this one event. */
interface Outcome { readonly tried: boolean, readonly answer: Accepted | NotAccepted }

const EVENT_BODY: BodyBounds = { maxBytes: 1_048_576, timeoutMs: 10_000 }
const NOT_DELIVERED = 'the event was not delivered'
const MAY_BE_DELIVERED = 'the event may have been delivered'
const ASK_AGAIN = `${MAY_BE_DELIVERED}: ask again with the same id, and it is published once`
const GIVE_AN_ID = `${MAY_BE_DELIVERED}, and publishing it again may deliver it twice: give events an id, and ask again with the same one`
const MAY_COME_TWICE = `${MAY_BE_DELIVERED}, and publishing it again may deliver it twice`
const BUS_AWAY = unavailableAnswer(`Redis cannot do it now: it does not answer in time; ${ASK_AGAIN}`)

/** Each entry of a list is judged where it is read, so that one of another shape is answered by itself. */
const BODY: Shape<PublishRequest> = {
  schema: PublishRequestSchema, wanted: '', fits: (value): value is PublishRequest => value instanceof PublishRequest
}

/** Why an event was not taken, and whether clients may have it all the same. */
function describeUnpublished (error: unknown, { id }: Publication, knowsIds: boolean): string {
  const again = !knowsIds ? MAY_COME_TWICE : id === null ? GIVE_AN_ID : ASK_AGAIN
  return `${describeOperationFault(error)}; ${outcomeOfOperation(error) === 'unknown' ? again : NOT_DELIVERED}`
}

function tellPublished (published: Published | null): Accepted {
  if (published === null) return { accepted: true }
  return { accepted: true, pos: formatPosition(published), ...(published.isDuplicate ? { duplicate: true } : {}) }
}

/** Publishes all that can be, and tells what became of each, in the order of the request. Never rejects. `trace`: null: none goes along. */
async function publishAll (publishing: Publishing, { entries }: PublishRequest, trace: string | null): Promise<Outcome[]> {
  const sound = entries.filter((entry): entry is Publication => !('fault' in entry))
  const publications = trace === null ? sound : sound.map(publication => ({ ...publication, trace }))
  const settled = await settle(publishing, publications)
  let next = 0
  return entries.map((entry): Outcome => {
    if ('fault' in entry) return { tried: false, answer: { accepted: false, error: 'bad_request', message: entry.fault } }
    const result = settled[next++] ?? NO_OUTCOME
    if (result.status === 'fulfilled') return { tried: true, answer: tellPublished(result.value) }
    const message = describeUnpublished(result.reason, entry, publishing.knowsIds)
    return { tried: outcomeOfOperation(result.reason) !== 'undone', answer: { accepted: false, error: 'unavailable', message } }
  })
}

const NO_OUTCOME: PromiseSettledResult<never> = { status: 'rejected', reason: new TypeError('a publication has no outcome') }

/** What fails as a whole has failed for each. */
async function settle (publishing: Publishing, publications: readonly Publication[]): ReturnType<Publishing['publish']> {
  if (publications.length === 0) return []
  try {
    return await publishing.publish(publications)
  } catch (reason) {
    return publications.map(() => ({ status: 'rejected', reason }))
  }
}

/** 202 with an answer for each; 503 where the store could be asked for none of those that could be published. */
function answerAll (outcomes: readonly Outcome[]): Answer {
  const isAway = ({ answer }: Outcome): boolean => !answer.accepted && answer.error === 'unavailable'
  const first = outcomes.find(isAway)?.answer
  const isTried = first === undefined || first.accepted || outcomes.some(({ tried }) => tried)
  return isTried ? { status: 202, body: outcomes.map(({ answer }) => answer) } : unavailableAnswer(first.message)
}

/** A body of one event is read only where it can be published, so what fails is the store. */
function answerOne (outcomes: readonly Outcome[]): Answer {
  const [outcome] = outcomes
  if (outcome === undefined || outcome.answer.accepted) return { status: 202, body: outcome?.answer }
  return unavailableAnswer(outcome.answer.message)
}

/** Writes the span of a request whose key was right, so its word about the trace counts. */
function writeSpan (tracer: Tracer, startedMs: number, traceparent: string | null, outcomes: readonly Outcome[], { status }: Answer): void {
  tracer.publish({
    durationMs: performance.now() - startedMs,
    traceparent,
    status,
    outcome: status === 202 ? 'accepted' : 'unavailable',
    events: outcomes.length,
    accepted: outcomes.filter(({ answer }) => answer.accepted).length
  })
}

/** What back ends ask: 202 once the event is published. */
export function createPublishRoutes ({ publishing, secret, tracer, tracesEvents }: PublishRoutesDeps): Route[] {
  return [createRoute({
    ...NO_INPUT,
    method: 'POST',
    path: '/v1/publish',
    secret,
    body: { bounds: EVENT_BODY, parse: readPublications, shape: BODY },
    tag: 'back ends',
    summary: 'Publish events to all that listen to their topics',
    description: `On the main and on the admin port: one event, or an array of up to ${MAX_PUBLICATIONS}. The key is checked before the body is read; the body may have 1 MiB. \`data\` reaches the clients byte for byte. The topic's id is written as it is: one that is percent-encoded is refused. The events of one topic keep their order. In an array each event has an answer of its own, also one that does not fit: only an array that is empty, too long or no JSON is refused as a whole. A \`traceparent\` header (W3C Trace Context) names the trace that the request belongs to: its span does, and with WS_TRACE_EVENTS the events carry it on, as \`trace\`.`,
    answers: {
      202: { description: 'One event: it is published. An array: what became of each.', schema: PublishAnswerSchema },
      503: describeRefusal(
        `The event was not published, or of an array none could be tried, and the message says why. It ends with \`${NOT_DELIVERED}\`: try again; or, where the answer was lost, with \`${MAY_BE_DELIVERED}\`: ask again with the same id.`,
        BUS_AWAY
      )
    },
    async handle ({ body, headers }) {
      const startedMs = tracer === null ? 0 : performance.now()
      const traceparent = tracer === null && !tracesEvents ? null : readTraceparent(headers.get('traceparent'))
      const outcomes = await publishAll(publishing, body, tracesEvents ? traceparent : null)
      const answer = body.isList ? answerAll(outcomes) : answerOne(outcomes)
      if (tracer !== null) writeSpan(tracer, startedMs, traceparent, outcomes, answer)
      return answer
    }
  })]
}
