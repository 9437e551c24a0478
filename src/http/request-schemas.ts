import Type, { type Static } from '#typebox'
import { mapKindsBy } from '../kinds.js'
import { orList } from '../list-words.js'
import { SAMPLE_TARGET, TARGET_FORMS, TARGET_PATTERN } from '../wire/ids.js'
import { EventMessageSchema } from '../wire/redis-messages.js'

/** Longest ban, in seconds: a year. */
export const MAX_BAN_S = 31_536_000

const Strict = { additionalProperties: false }
const tokenId = (description: string) => Type.Optional(Type.String({ minLength: 1, maxLength: 2048, description }))

/** Body of `POST` and `DELETE /v1/revocations`. That only one of the first three may stand is checked beside it. */
export const RevocationBodySchema = Type.Object({
  jti: tokenId('one token, by its `jti`'),
  sid: tokenId('one session, by its `sid`'),
  sub: tokenId('all tokens of one user, by their `sub`'),
  issuer: Type.Optional(Type.String({ minLength: 1, maxLength: 256, description: 'configured name of the issuer; absent: any' })),
  issued_before: Type.Optional(Type.Union([Type.String({ maxLength: 64 }), Type.Number({ minimum: 0 })], {
    description: 'only tokens issued before, as ISO 8601 with a zone or in seconds since 1970; a token without `iat` counts as issued before; absent: all, for `sub` all until now'
  }))
}, { ...Strict, title: 'Revocation', description: 'Exactly one of `jti`, `sid` and `sub`.', examples: [{ sub: 'mallory' }] })

export type RevocationBody = Static<typeof RevocationBodySchema>

/** Body of `PUT /v1/bans/<address>`. */
export const BanBodySchema = Type.Object({
  seconds: Type.Number({ minimum: 1, maximum: MAX_BAN_S, description: 'how long the ban lasts from now on' })
}, { title: 'Ban', description: 'How long.', examples: [{ seconds: 300 }] })

/** Longest token that is explained, in characters: longer ones than clients may present can be asked about. */
export const MAX_EXPLAINED_TOKEN = 32_768
/** Most ids of one kind in a question, the longest id, and the longest text that lists them. */
export const EXPLAINED_IDS = { most: 1024, maxLength: 1024, maxTextLength: 16_384 } as const
const explained = (maxLength: number, description: string, example: string) =>
  Type.Optional(Type.String({ minLength: 1, maxLength, description, examples: [example] }))

/** Body of `POST /v1/explain`: an upgrade that is asked about. */
export const ExplainBodySchema = Type.Object({
  token: Type.Optional(Type.String({ minLength: 1, maxLength: MAX_EXPLAINED_TOKEN, description: 'as a client presents it; stands in no log' })),
  claims: Type.Optional(Type.Record(Type.String(), Type.Unknown(), { description: 'in the place of a token: they count as verified; with several issuers `iss` says whose' })),
  path: explained(256, 'the path; absent: `/ws`', '/ws'),
  ...mapKindsBy('list', ({ claim, samples }) => Type.Optional(Type.Union(
    [
      Type.Array(Type.String({ maxLength: EXPLAINED_IDS.maxLength }), { maxItems: EXPLAINED_IDS.most }),
      Type.String({ maxLength: EXPLAINED_IDS.maxTextLength })
    ],
    { description: `${claim} that the filter names, as a list or as it stands in the query`, examples: [samples] }
  ))),
  address: explained(64, 'the client\'s, behind proxies; absent: bans and the limit of attempts are left out', '198.51.100.7'),
  origin: explained(2048, 'of the page that connects', 'https://app.example.com'),
  host: explained(512, 'which the client asks for, where the own host is an allowed origin; absent: that of `PUBLIC_URL`', 'gateway.example.com')
}, { ...Strict, title: 'ExplainQuestion', description: 'An upgrade.', examples: [{ claims: { sub: 'alice' }, address: '198.51.100.7' }] })

/** No half of a surrogate pair: UTF-8 has none, so two texts that differ in it alone would be one on the way. */
const WELL_FORMED = '^\\P{Cs}*$'
const { event, data } = EventMessageSchema.properties

const PUBLISH = { topic: SAMPLE_TARGET, event: 'status', data: { state: 'busy' }, id: 'run-17-status-4' }

/** A topic and one event for all that listen to it. */
export const PublishBodySchema = Type.Object({
  topic: Type.String({ pattern: `^(${TARGET_PATTERN.slice(1, -1)}|user:[\\s\\S]{1,512})$`, description: orList([...TARGET_FORMS, '`user:<user_id>`']) }),
  event: Type.String({ ...event, pattern: WELL_FORMED }),
  data,
  id: Type.Optional(Type.String({
    minLength: 1,
    maxLength: 64,
    pattern: WELL_FORMED,
    description: 'by which the event is known again: the same id in the same topic within `WS_HISTORY_S` is published once, and answered with the same `pos`'
  }))
}, { title: 'Publish', description: 'One event for one topic.', examples: [PUBLISH] })

/** Most events in one request. */
export const MAX_PUBLICATIONS = 1000

/** Body of `POST /v1/publish`. Each event of an array is held to its schema by itself, where it is read. */
export const PublishRequestSchema = Type.Union([
  PublishBodySchema, Type.Array(PublishBodySchema, { minItems: 1, maxItems: MAX_PUBLICATIONS })
], {
  title: 'PublishRequest',
  description: 'One event, or several, each with an answer of its own: one of an array that does not fit is refused alone, with 202 for the whole.',
  examples: [PUBLISH, [PUBLISH, { ...PUBLISH, data: { state: 'idle' }, id: 'run-17-status-5' }]]
})
