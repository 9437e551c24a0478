import type { Refusal } from '../../refusals.js'
import { TicketAnswerSchema } from '../answer-schemas.js'
import { refusalAnswer, unavailableAnswer, type Answer } from '../answers.js'
import { createRoute } from '../create-route.js'
import { describeRefusal } from '../describe-answer.js'
import type { RenderedAnswer } from '../render-answer.js'
import { NO_INPUT, type Route, type RouteRequest } from '../route.js'

/** A request for a ticket, as far as its head says. */
export type TicketRequest = Pick<RouteRequest<unknown, unknown, unknown>, 'headers' | 'address' | 'viaTrustedProxy'>

export interface TicketRoutesDeps {
  readonly path: string
  /** How long a ticket opens a connection, in ms. */
  readonly lifeMs: number
  /** Names of the algorithms that proofs may be signed by. */
  readonly proofAlgorithms: readonly string[]
  /** Null: a page of this origin may ask. */
  readonly checkOrigin: (origin: string, host: string) => Refusal | null
  /** A ticket, or why not. Never rejects. */
  readonly ask: (request: TicketRequest) => Promise<string | Refusal>
  /** The origin may not ask. */
  readonly noteForeign: (request: TicketRequest, refusal: Refusal) => void
  /** What a refusal looks like over HTTP. */
  readonly render: (refusal: Refusal) => RenderedAnswer
}

type Headers = Readonly<Record<string, string>>

const PREFLIGHT_MAX_AGE_S = 600
const JSON_TYPE = 'application/json'

/** For a page of an allowed origin, by its exact name (Fetch standard, CORS protocol): no credentials but those it sends itself. */
function allowOrigin (origin: string | undefined): Headers {
  if (origin === undefined || origin === '') return { Vary: 'Origin' }
  return { Vary: 'Origin', 'Access-Control-Allow-Origin': origin, 'Access-Control-Expose-Headers': 'Retry-After, WWW-Authenticate' }
}

/** Both schemes by which a token may come (RFC 6750 section 3, RFC 9449 section 7.1). */
function challengeBoth (bearer: string, { detail = '' }: Refusal, algorithms: readonly string[]): string {
  const error = detail.startsWith('dpop') ? 'error="invalid_dpop_proof", ' : ''
  return `${bearer}, DPoP ${error}algs="${algorithms.join(' ')}"`
}

function toAnswer (refusal: Refusal, { render, proofAlgorithms }: TicketRoutesDeps, cors: Headers): Answer {
  const { status, headers, body } = render(refusal)
  const { 'Content-Type': contentType = JSON_TYPE, 'WWW-Authenticate': bearer, ...others } = Object.fromEntries(headers)
  const challenge = bearer === undefined ? {} : { 'WWW-Authenticate': challengeBoth(bearer, refusal, proofAlgorithms) }
  delete others['Cache-Control']
  return { status, text: { contentType, body }, headers: { ...others, ...challenge, ...cors } }
}

interface JudgedOrigin { readonly cors: Headers, readonly foreign: Refusal | null }

function judgeOrigin ({ headers }: TicketRequest, { checkOrigin }: TicketRoutesDeps): JudgedOrigin {
  const origin = headers.get('origin')
  const foreign = checkOrigin(origin ?? '', headers.get('host') ?? '')
  return { cors: allowOrigin(foreign === null ? origin : undefined), foreign }
}

const REFUSED = { error: 'invalid_token', message: 'the token is not valid' }

/** What clients ask so that no token need stand in a URL; and what their browsers ask before. */
export function createTicketRoutes (deps: TicketRoutesDeps): Route[] {
  const shared = { ...NO_INPUT, path: deps.path, secret: null, tag: 'connections' } as const
  return [createRoute({
    ...shared,
    method: 'POST',
    summary: 'Get a ticket for a token',
    description: `\`Authorization: Bearer <token>\`; or, for a token that is bound to a key, \`DPoP <token>\` with a proof in \`DPoP\` (RFC 9449). The ticket then stands for the token in \`?ticket=\` of one upgrade, within ${deps.lifeMs / 1000} s, from the same address, or in one \`refresh\`. No body is read. It counts as an attempt of its address, the upgrade with the ticket does not.`,
    answers: {
      201: { description: 'The ticket.', schema: TicketAnswerSchema, examples: { ticket: { ticket: '<ticket>', expires_in: deps.lifeMs / 1000 } } },
      400: describeRefusal('`Authorization` is malformed.', refusalAnswer('bad_request', 'Authorization: Bearer or DPoP, and one token')),
      401: describeRefusal('The token, or the proof beside it, is missing or not good.', { status: 401, body: REFUSED, headers: { 'WWW-Authenticate': 'Bearer' } }),
      403: describeRefusal('The origin may not ask, or the address is banned.', refusalAnswer('forbidden')),
      429: describeRefusal('The address made too many attempts.', { ...refusalAnswer('ip_rate_limited'), headers: { 'Retry-After': '1' } }),
      503: describeRefusal('The issuer, or what tickets are kept in, is away; or too much is under way.', unavailableAnswer('a dependency did not answer in time'))
    },
    async handle (request) {
      const { cors, foreign } = judgeOrigin(request, deps)
      if (foreign !== null) deps.noteForeign(request, foreign)
      const ticket = foreign ?? await deps.ask(request)
      if (typeof ticket !== 'string') return toAnswer(ticket, deps, cors)
      return { status: 201, body: { ticket, expires_in: deps.lifeMs / 1000 }, headers: cors }
    }
  }), createRoute({
    ...shared,
    method: 'OPTIONS',
    summary: 'Whether a page of another origin may ask for a ticket',
    description: 'What browsers ask first (CORS): as `WS_ALLOWED_ORIGINS` has it.',
    answers: {
      204: { description: 'It may, with the headers that are named.' },
      403: describeRefusal('It may not.', refusalAnswer('forbidden'))
    },
    handle (request) {
      const { cors, foreign } = judgeOrigin(request, deps)
      if (foreign !== null) return toAnswer(foreign, deps, cors)
      return {
        status: 204,
        headers: {
          ...cors,
          'Access-Control-Allow-Methods': 'POST',
          'Access-Control-Allow-Headers': 'authorization, dpop, content-type',
          'Access-Control-Max-Age': String(PREFLIGHT_MAX_AGE_S)
        }
      }
    }
  })]
}
