import Type, { type Static } from '#typebox'
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

/** Body of `POST /v1/publish`: a topic and one event for all that listen to it. */
export const PublishBodySchema = Type.Object({
  topic: Type.String({ pattern: `^(${TARGET_PATTERN.slice(1, -1)}|user:[\\s\\S]{1,512})$`, description: orList([...TARGET_FORMS, '`user:<user_id>`']) }),
  ...EventMessageSchema.properties
}, { title: 'Publish', description: 'One event for one topic.', examples: [{ topic: SAMPLE_TARGET, event: 'status', data: { state: 'busy' } }] })
