import Type, { type TObject, type TString } from '#typebox'
import type { ClientAddress } from '../../address/client-address.js'
import type { Heard, Hearing, HearingFault } from '../../issuer-word/hearing.js'
import { REFUSALS } from '../../refusals.js'
import { RefusalBodySchema } from '../answer-schemas.js'
import { unavailableAnswer, type Answer } from '../answers.js'
import { createAuthenticator } from '../auth.js'
import type { BodyBounds } from '../collect-body.js'
import { createRoute } from '../create-route.js'
import { describeRefusal } from '../describe-answer.js'
import { NO_INPUT, type AnswerDescription, type ParsedBody, type Route, type RouteOptions } from '../route.js'
import type { Shape } from '../shape.js'

/** What an issuer tells the gateway by itself. */
export interface IssuerWordRoutesDeps {
  /** Null: nobody hears logouts. */
  readonly logouts: Pick<Hearing, 'hear' | 'refuse'> | null
  /** Null: nobody hears signals. */
  readonly signals: Pick<Hearing, 'hear' | 'refuse'> | null
  /** What the `Authorization` header of signals must be; null: anything. */
  readonly authorization: string | null
}

const STATEMENT_BODY: BodyBounds = { maxBytes: 16_384, timeoutMs: 10_000 }
const FORM = 'application/x-www-form-urlencoded'
const EVENT_TOKEN = 'application/secevent+jwt'

const LogoutFormSchema = Type.Object({
  logout_token: Type.String({ description: 'a logout token, as OpenID Connect Back-Channel Logout 1.0 section 2.4 has it' })
}, { title: 'BackChannelLogout', description: 'Exactly one `logout_token`.', examples: [{ logout_token: 'eyJ…' }] })

const EventTokenSchema = Type.String({ title: 'SecurityEventToken', description: 'A signed security event token (RFC 8417).', examples: ['eyJ…'] })

const LogoutRefusalSchema = Type.Union([Type.Object({ error: Type.Literal('invalid_request') }), RefusalBodySchema], {
  title: 'LogoutRefusal', description: 'Nothing is ended. The log says why (`logout.refused`).', examples: [{ error: 'invalid_request' }]
})

const SIGNAL_ERRORS = ['invalid_request', 'invalid_key', 'invalid_issuer', 'invalid_audience', 'authentication_failed'] as const
type SignalError = typeof SIGNAL_ERRORS[number]

const SignalRefusalSchema = Type.Union([Type.Object({
  err: Type.Enum([...SIGNAL_ERRORS], { description: 'RFC 8935 section 2.4' }),
  description: Type.String({ description: 'for people; the cause, as in the log (`signal.refused`)' })
}), RefusalBodySchema], { title: 'SignalRefusal', description: 'Nothing is ended.', examples: [{ err: 'invalid_audience', description: 'audience' }] })

const ERROR_OF: Readonly<Partial<Record<HearingFault['fault'], SignalError>>> = {
  unknown_issuer: 'invalid_issuer',
  audience: 'invalid_audience',
  signature: 'invalid_key',
  unknown_key: 'invalid_key',
  algorithm: 'invalid_key',
  key_id: 'invalid_key',
  authorization: 'authentication_failed'
}

const KEPT = unavailableAnswer('it is not kept for good yet: it counts as soon as it can')

/** 429, as an upgrade of this address would be told. */
function limitedAnswer (retryAfterMs: number): Answer {
  const retryAfterS = Math.max(1, Math.ceil(retryAfterMs / 1000))
  const { status, message } = REFUSALS.ip_rate_limited
  return {
    status, body: { error: 'ip_rate_limited', message, retry_after_s: retryAfterS }, headers: { 'Retry-After': String(retryAfterS) }
  }
}

function answerHeard (heard: Heard, done: number, refused: (fault: HearingFault['fault']) => Answer): Answer {
  switch (heard.kind) {
    case 'done': return { status: done }
    case 'later': return KEPT
    case 'limited': return limitedAnswer(heard.retryAfterMs)
    case 'refused': return refused(heard.fault)
  }
}

const refuseLogout = (): Answer => ({ status: 400, body: { error: 'invalid_request' } })
/** RFC 8935 section 2.3: what is written for people names its language. */
const ENGLISH = { 'Content-Language': 'en' }
const refuseSignal = (fault: HearingFault['fault']): Answer =>
  ({ status: 400, body: { err: ERROR_OF[fault] ?? 'invalid_request', description: fault }, headers: ENGLISH })

const SHARED_ANSWERS = {
  429: describeRefusal('It is refused, and this address is over its limit of attempts. A good one is always heard.', limitedAnswer(41_250)),
  503: describeRefusal('Redis, or the issuer with its keys, is away. It counts here at once where its key is known, and is kept as soon as that can be.', KEPT)
} satisfies Readonly<Record<number, AnswerDescription>>

const asText = (bytes: Buffer): ParsedBody => ({ ok: true, value: bytes.toString() })

/** The text is looked at by the handler, as what is wrong with it has an answer of its own. */
const textOf = (schema: TObject | TString): Shape<string> => ({ schema, wanted: '', fits: (value): value is string => typeof value === 'string' })

const isOfType = (header: string | undefined, type: string): boolean => header?.split(';')[0]?.trim().toLowerCase() === type

interface StatementRoute extends Pick<RouteOptions<unknown, unknown, string>, 'path' | 'summary' | 'description' | 'answers' | 'handle'> {
  readonly contentType: string
  readonly schema: TObject | TString
  readonly hearing: Pick<Hearing, 'refuse'>
  readonly refused: (fault: HearingFault['fault']) => Answer
}

/** A route that takes one signed text. What can't be read costs what a bad one costs, and is logged as one. */
function statementRoute ({ contentType, schema, hearing, refused, ...described }: StatementRoute): Route {
  const refuse = async (unread: Answer, address: ClientAddress): Promise<Answer> => {
    const { status, endsConnection } = unread
    const heard = await hearing.refuse(address, { fault: 'body', detail: `HTTP ${status}` })
    const answer = answerHeard(heard, status, fault => status === 400 ? refused(fault) : unread)
    // Where the rest of the body is never read, that stays so for a 429 in its place.
    return endsConnection === undefined ? answer : { ...answer, endsConnection }
  }
  return createRoute({
    ...NO_INPUT,
    method: 'POST',
    secret: null,
    body: { bounds: STATEMENT_BODY, parse: asText, refuse, contentType, shape: textOf(schema) },
    tag: 'issuers',
    ...described
  })
}

function createLogoutRoute (logouts: Pick<Hearing, 'hear' | 'refuse'>): Route {
  const hear = async (form: string, contentType: string | undefined, address: ClientAddress): Promise<Heard> => {
    if (!isOfType(contentType, FORM)) return await logouts.refuse(address, { fault: 'content_type' })
    const [token, ...more] = new URLSearchParams(form).getAll('logout_token')
    return token === undefined || more.length > 0 ? await logouts.refuse(address, { fault: 'form' }) : await logouts.hear(token, address)
  }
  return statementRoute({
    path: '/oidc/backchannel-logout',
    contentType: FORM,
    schema: LogoutFormSchema,
    hearing: logouts,
    refused: refuseLogout,
    summary: 'An issuer says that somebody logged out',
    description: 'OpenID Connect Back-Channel Logout 1.0. The token is verified by the keys of the configured issuer that it names. With `sid` that session ends, with `sub` alone all of the user\'s that had begun until then; on every process within a second. The same `jti` again is 200, and nothing more.',
    answers: {
      200: { description: 'Kept, and done here; on every process within a second.' },
      400: { description: 'The token is not good.', schema: LogoutRefusalSchema, examples: { invalid_request: { error: 'invalid_request' } } },
      ...SHARED_ANSWERS
    },
    handle: async ({ body, headers, address }) => answerHeard(await hear(body, headers.get('content-type'), address), 200, refuseLogout)
  })
}

function createSignalRoute (signals: Pick<Hearing, 'hear' | 'refuse'>, authorization: string | null): Route {
  const authenticate = createAuthenticator(authorization === null ? [] : [authorization])
  const hear = async (token: string, headers: ReadonlyMap<string, string>, address: ClientAddress): Promise<Heard> => {
    if (authorization !== null && authenticate(headers.get('authorization') ?? null) !== 'ok') return await signals.refuse(address, { fault: 'authorization' })
    if (!isOfType(headers.get('content-type'), EVENT_TOKEN)) return await signals.refuse(address, { fault: 'content_type' })
    return await signals.hear(token.trim(), address)
  }
  return statementRoute({
    path: '/ssf/events',
    contentType: EVENT_TOKEN,
    schema: EventTokenSchema,
    hearing: signals,
    refused: refuseSignal,
    summary: 'An issuer tells what happened to a user or a session',
    description: 'Push delivery by RFC 8935. CAEP `session-revoked` ends a session or all of a user\'s, CAEP `credential-change` and RISC `account-disabled` end all of a user\'s; what ends all ends those that had begun when it happened. Other events are acknowledged and logged.',
    answers: {
      202: { description: 'Kept, and done here; on every process within a second. Or acknowledged, as it orders nothing here.' },
      400: {
        description: 'The token is not good, or `Authorization` is not what was agreed on.',
        schema: SignalRefusalSchema,
        examples: Object.fromEntries(SIGNAL_ERRORS.map(err => [err, { err, description: 'the cause' }]))
      },
      ...SHARED_ANSWERS
    },
    handle: async ({ body, headers, address }) => answerHeard(await hear(body, headers, address), 202, refuseSignal)
  })
}

/** What issuers ask of the main port. What is turned off is left out, so that its path does not exist. */
export function createIssuerWordRoutes ({ logouts, signals, authorization }: IssuerWordRoutesDeps): Route[] {
  return [
    ...(logouts === null ? [] : [createLogoutRoute(logouts)]),
    ...(signals === null ? [] : [createSignalRoute(signals, authorization)])
  ]
}
