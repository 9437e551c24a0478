import type { TSchema } from '#typebox'
import type { ClientAddress } from '../address/client-address.js'
import type { Answer } from './answers.js'
import type { BodyBounds, BodyReading } from './collect-body.js'
import type { RequestHeaders, Secret } from './secrets.js'
import { ANYTHING, type Shape } from './shape.js'

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE' | 'OPTIONS'

/** A request as a host hands it over, with nothing of it believed yet. */
export interface IncomingRequest {
  /** The decoded `:name` segments of the route's path. */
  readonly params: Readonly<Record<string, string>>
  /** Decoded; the first where one stands several times. */
  readonly query: Readonly<Record<string, string>>
  /** A `+` stands in the query as it was sent: some write a space so, and others the sign itself. */
  readonly hasPlainPlus: boolean
  readonly headers: RequestHeaders
  /** Where the client is, behind trusted proxies. */
  readonly address: ClientAddress
  /** The peer is a proxy whose word about the client counts. */
  readonly viaTrustedProxy: boolean
  /** Reads the body; never rejects. To be called once, before anything is awaited: on the native port, what arrives unread is lost. */
  readBody (bounds: BodyBounds): Promise<BodyReading>
}

/** What a handler gets: its secret was right, and each part fits its shape. */
export interface RouteRequest<Params, Query, Body> extends Pick<IncomingRequest, 'headers' | 'address' | 'viaTrustedProxy'> {
  readonly params: Params
  readonly query: Query
  readonly body: Body
}

/** A body's value, or what is wrong with it, for a 400. */
export type ParsedBody = { readonly ok: true, readonly value: unknown } | { readonly ok: false, readonly fault: string }

/** The body that a route takes. */
export interface RouteBody<Body> {
  /** Null: no body is read. */
  readonly bounds: BodyBounds | null
  /** Reads the body, which is UTF-8; default: as JSON. */
  readonly parse?: (bytes: Buffer) => ParsedBody
  /** Answers for a body that could not be read: too long, too slow, no UTF-8; default: `unread`, what its reading says. */
  readonly refuse?: (unread: Answer, address: ClientAddress) => Promise<Answer>
  /** What it is, for the document; default `application/json`. The handler looks at what the request says. */
  readonly contentType?: string
  readonly shape: Shape<Body>
}

/** What the document says of one answer. */
export interface AnswerDescription {
  readonly description: string
  /** Of the body; without it there is none. One with a `title` becomes a component of the document by that name. */
  readonly schema?: TSchema
  /** Default `application/json`. */
  readonly contentType?: string
  /** Bodies by name. */
  readonly examples?: Readonly<Record<string, unknown>>
  /** Names of headers that are always there. */
  readonly headers?: readonly string[]
}

export interface RouteDescription {
  readonly method: Method
  /** Segments after `/`; `:name` takes any one segment that is not empty, `:name+` at the end also what follows, slashes included. */
  readonly path: string
  /** Null: anyone may ask. */
  readonly secret: Secret | null
  /** Its place in the document. */
  readonly tag: 'connections' | 'health' | 'operators' | 'back ends' | 'issuers' | 'development'
  readonly summary: string
  readonly description?: string
  /** By status: those that are this route's own. What secret, shapes and bounds answer is the same for all routes. */
  readonly answers: Readonly<Record<number, AnswerDescription>>
}

/** How a route is written. */
export interface RouteOptions<Params, Query, Body> extends RouteDescription {
  readonly params: Shape<Params>
  readonly query: Shape<Query>
  readonly body: RouteBody<Body>
  /** Throwing or rejecting is a fault: the client gets 500 or 503, and the fault is logged. */
  handle (request: RouteRequest<Params, Query, Body>): Answer | Promise<Answer>
}

/** One endpoint, for whichever hosts it is mounted on. */
export interface Route extends RouteDescription {
  readonly params: TSchema
  readonly query: TSchema
  readonly body: { readonly bounds: BodyBounds | null, readonly schema: TSchema, readonly contentType?: string }
  /** Answers a request that came to this method and path. Rejects when the handler did. */
  serve (request: IncomingRequest): Promise<Answer>
}

/** For a route that looks at nothing but the head. */
export const NO_INPUT = { params: ANYTHING, query: ANYTHING, body: { bounds: null, shape: ANYTHING } } as const
