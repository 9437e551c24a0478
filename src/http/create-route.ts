import { refusalAnswer, type Answer } from './answers.js'
import type { IncomingRequest, ParsedBody, Route, RouteBody, RouteOptions } from './route.js'
import { judgeSecret } from './secrets.js'

type Input<Body> = { readonly ok: true, readonly value: Body } | { readonly ok: false, readonly answer: Answer }

/** Of a request with a secret: its query may name a user. */
const PLAIN_PLUS = 'a + in the query can be read in two ways: write %2B for the sign, %20 for a space'
export const NOT_JSON = 'the body is not valid JSON'

/** Makes a route of its description and handler, for whichever hosts it is mounted on. */
export function createRoute<Params, Query, Body> (options: RouteOptions<Params, Query, Body>): Route {
  const { params, query, body, handle: _handle, ...description } = options
  return {
    ...description,
    params: params.schema,
    query: query.schema,
    body: { bounds: body.bounds, schema: body.shape.schema, ...(body.contentType === undefined ? {} : { contentType: body.contentType }) },
    serve: async (request) => await serveRoute(options, request)
  }
}

/**
 * What every request goes through on its way to a handler, and the first of it that fails is the answer: secret, segments and
 * query, then the body. So nobody without the secret has a body read. Rejects when the handler did.
 */
async function serveRoute<Params, Query, Body> (
  { secret, params, query, body, handle }: RouteOptions<Params, Query, Body>, request: IncomingRequest
): Promise<Answer> {
  const { headers, address, viaTrustedProxy } = request
  const denial = judgeSecret(secret, headers, address)
  // Nothing is awaited on the way of the right secret: on the native port a body is read at once or lost.
  if (denial !== null) return await denial
  if (!params.fits(request.params)) return refusalAnswer('bad_request', params.wanted)
  if (secret !== null && request.hasPlainPlus) return refusalAnswer('bad_request', PLAIN_PLUS)
  if (!query.fits(request.query)) return refusalAnswer('bad_request', query.wanted)
  const input = await readInput(body, request)
  if (!input.ok) return input.answer
  return await handle({ params: request.params, query: request.query, body: input.value, headers, address, viaTrustedProxy })
}

/** Reads a body as JSON. */
export function parseJson (bytes: Buffer): ParsedBody {
  try {
    return { ok: true, value: JSON.parse(bytes.toString()) }
  } catch {
    return { ok: false, fault: NOT_JSON }
  }
}

async function readInput<Body> (
  { bounds, shape, parse = parseJson, refuse }: RouteBody<Body>, request: IncomingRequest
): Promise<Input<Body>> {
  let value: unknown
  if (bounds !== null) {
    const reading = await request.readBody(bounds)
    if (!reading.ok) return refuse === undefined ? reading : { ok: false, answer: await refuse(reading.answer, request.address) }
    const parsed = parse(reading.bytes)
    if (!parsed.ok) return { ok: false, answer: refusalAnswer('bad_request', parsed.fault) }
    value = parsed.value
  }
  return shape.fits(value) ? { ok: true, value } : { ok: false, answer: refusalAnswer('bad_request', shape.wanted) }
}
