import { Compile } from 'typebox/compile'
import type { BusEvent } from '../bus/bus.js'
import { formatBusMessage } from '../bus/bus-message.js'
import { KINDS } from '../kinds.js'
import { orList } from '../list-words.js'
import type { Authenticate } from './auth.js'
import { PublishBodySchema } from './request-schemas.js'

/** Publishes one event to every process. Rejects when the bus cannot take it. */
export type Publish = (topic: string, event: BusEvent) => Promise<void>

/** Status and JSON body, for whichever port was asked. */
export interface PublishAnswer {
  readonly status: number
  readonly retryAfterS?: number
  readonly body: { readonly error: string, readonly message: string } | { readonly accepted: true }
}

/** Longest body of `POST /v1/publish`, in bytes. */
export const MAX_PUBLISH_BYTES = 1_048_576

const publishBody = Compile(PublishBodySchema)

const bad = (message: string): PublishAnswer => ({ status: 400, body: { error: 'bad_request', message } })

function readEvent (value: unknown): { topic: string, event: BusEvent } | PublishAnswer {
  if (!publishBody.Check(value)) return bad(`wanted: topic (${orList([...KINDS.map(({ kind }) => kind), 'user'].map(kind => `${kind}:<id>`))}), event (a name of 1 to 128 characters) and data`)
  const { topic, event, data } = value
  try {
    formatBusMessage({ event, data })
  } catch (error) {
    return bad(error instanceof Error ? error.message : 'not an event')
  }
  return { topic, event: { event, data } }
}

/** `POST /v1/publish`: checks the key in constant time, then the event, then hands it to the bus. 202 once the bus has it. */
export async function answerPublish (
  authenticate: Authenticate, publish: Publish, key: string | null, peer: string, readBody: () => Promise<unknown>
): Promise<PublishAnswer> {
  const authentication = authenticate(key, peer)
  if (authentication.verdict === 'hidden') return { status: 404, body: { error: 'not_found', message: 'no such path' } }
  if (authentication.verdict === 'limited') {
    const retryAfterS = Math.max(1, Math.ceil(authentication.retryAfterMs / 1000))
    return { status: 429, retryAfterS, body: { error: 'too_many_requests', message: 'too many wrong keys' } }
  }
  if (authentication.verdict === 'unauthorized') return { status: 401, body: { error: 'unauthorized', message: 'X-Publish-Key is missing or wrong' } }
  const read = readEvent(await readBody())
  if ('status' in read) return read
  try {
    await publish(read.topic, read.event)
  } catch {
    return { status: 503, retryAfterS: 1, body: { error: 'unavailable', message: 'the bus cannot take it now' } }
  }
  return { status: 202, body: { accepted: true } }
}
