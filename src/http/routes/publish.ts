import type { BusEvent } from '../../bus/bus.js'
import { formatBusMessage } from '../../bus/bus-message.js'
import { KINDS } from '../../kinds.js'
import { orList } from '../../list-words.js'
import { PublishedSchema } from '../answer-schemas.js'
import { refusalAnswer, unavailableAnswer } from '../answers.js'
import type { BodyBounds } from '../collect-body.js'
import { createRoute, NOT_JSON } from '../create-route.js'
import { describeRefusal } from '../describe-answer.js'
import { describeOperationFault, outcomeOfOperation } from '../../operation-fault.js'
import { PublishBodySchema } from '../request-schemas.js'
import { NO_INPUT, type ParsedBody, type Route } from '../route.js'
import type { Secret } from '../secrets.js'
import { createShape } from '../shape.js'
import { JsonText } from '../../wire/json-text.js'
import { isMembers, readMembers, type NoMembers } from '../../wire/read-members.js'

/** Publishes one event to every process. Rejects when the bus cannot take it. */
export type PublishEvent = (topic: string, event: BusEvent) => Promise<void>

export interface PublishRoutesDeps {
  readonly publishEvent: PublishEvent
  readonly secret: Secret
}

const EVENT_BODY: BodyBounds = { maxBytes: 1_048_576, timeoutMs: 10_000 }
const TOPICS = orList([...KINDS.map(({ kind }) => kind), 'user'].map(kind => `${kind}:<id>`))
const PUBLISH_BODY = createShape(PublishBodySchema, `wanted: topic (${TOPICS}), event (a name of 1 to 128 characters) and data`)
const FIELDS: ReadonlySet<string> = new Set(Object.keys(PublishBodySchema.properties))
/** What is told of a body that has no members. */
const FAULTS: Readonly<Record<NoMembers, string>> = {
  not_utf8: NOT_JSON, not_json: NOT_JSON, wrong_shape: PUBLISH_BODY.wanted, too_deep: 'the event is nested too deeply'
}
const NOT_DELIVERED = 'the event was not delivered'
const MAY_BE_DELIVERED = 'the event may have been delivered, and publishing it again may deliver it twice'
const BUS_AWAY = unavailableAnswer(`Redis cannot do it now: it does not answer in time; ${MAY_BE_DELIVERED}`)

/** Why an event was not taken, and whether clients may have it all the same. */
function describeUnpublished (error: unknown): string {
  return `${describeOperationFault(error)}; ${outcomeOfOperation(error) === 'unknown' ? MAY_BE_DELIVERED : NOT_DELIVERED}`
}

/** Reads what is to be published: its data stays as it was written. Of duplicate names the last counts, as with `JSON.parse`. */
function parsePublication (text: string): ParsedBody {
  const members = readMembers(Buffer.from(text), FIELDS)
  if (!isMembers(members)) return { ok: false, fault: FAULTS[members] }
  const body = [...members.known].map(([name, json]) => [name, name === 'data' ? JsonText.ofChecked(json) : JSON.parse(json.toString())])
  return { ok: true, value: Object.fromEntries(body) }
}

/** A percent-encoded octet: an id that really has one is told from a mistake in Redis only, where every id is encoded. */
const ENCODED = /%[0-9A-Fa-f]{2}/

/** The topic as it should have been written, when its id is percent-encoded. */
function findPlainForm (topic: string): string | null {
  if (!ENCODED.test(topic)) return null
  try {
    return decodeURIComponent(topic)
  } catch {
    return '<kind>:<id>'
  }
}

/** Why the bus does not take an event of the right shape; null: it does. */
function findFault (event: BusEvent): string | null {
  try {
    formatBusMessage(event)
    return null
  } catch (error) {
    return error instanceof Error ? error.message : 'not an event'
  }
}

/** What back ends ask: 202 once the bus has the event. */
export function createPublishRoutes ({ publishEvent, secret }: PublishRoutesDeps): Route[] {
  return [createRoute({
    ...NO_INPUT,
    method: 'POST',
    path: '/v1/publish',
    secret,
    body: { bounds: EVENT_BODY, parse: parsePublication, shape: PUBLISH_BODY },
    tag: 'back ends',
    summary: 'Publish one event to all that listen to a topic',
    description: 'On the main and on the admin port. The key is checked before the body is read; the body may have 1 MiB. `data` reaches the clients byte for byte. The topic\'s id is written as it is: one that is percent-encoded is refused.',
    answers: {
      202: { description: 'The bus has it.', schema: PublishedSchema },
      503: describeRefusal(
        `Redis did not say that it has it, and the message says why. It ends with \`${NOT_DELIVERED}\`: try again; or, where the answer was lost, with \`${MAY_BE_DELIVERED}\`: try again where that does no harm, or with an id in \`data\` by which clients know it again.`,
        BUS_AWAY
      )
    },
    async handle ({ body: { topic, event, data } }) {
      const plain = findPlainForm(topic)
      if (plain !== null) return refusalAnswer('bad_request', `the topic's id is not percent-encoded here: if ${plain} is meant, write that; an id that itself holds % and two hex digits is published to by Redis only`)
      const fault = findFault({ event, data })
      if (fault !== null) return refusalAnswer('bad_request', fault)
      try {
        await publishEvent(topic, { event, data })
      } catch (error) {
        return unavailableAnswer(describeUnpublished(error))
      }
      return { status: 202, body: { accepted: true } }
    }
  })]
}
