import Type from '#typebox'
import { Compile } from '#typebox/compile'
import { DisconnectOrderSchema, RecheckOrderSchema } from '../wire/redis-messages.js'

/** Longest message on the control channel, in bytes. */
const MAX_MESSAGE_BYTES = 16_384
/** Longest that anything is kept, in ms: no sum with a clock leaves the range of exact numbers. */
const MAX_DURATION_MS = 100 * 365 * 86_400_000

const id = Type.String({ minLength: 1, maxLength: 2048 })
const address = Type.String({ minLength: 1, maxLength: 64 })
const durationMs = Type.Number({ exclusiveMinimum: 0, maximum: MAX_DURATION_MS })
const kind = Type.Enum(['jti', 'sid', 'sub'])
const issuer = Type.Union([Type.Null(), Type.String({ minLength: 1, maxLength: 256 })])

/** A revocation as Redis keeps it. */
const revocation = Type.Object({ kind, id, issuer, issuedBeforeMs: Type.Union([Type.Null(), Type.Number()]) })

/** Who sent it, so that a process does not hear itself; back ends leave it out, as well as the version. */
const sender = { v: Type.Optional(Type.Literal(1)), from: Type.Optional(Type.String({ maxLength: 64 })) }

/** By this name an order that comes twice, as a message and by reading, is done once; back ends leave it out. */
const passing = { ...sender, order_id: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })) }

const message = Type.Union([
  Type.Object({ ...passing, ...DisconnectOrderSchema.properties }),
  Type.Object({ ...passing, ...RecheckOrderSchema.properties }),
  Type.Object({ ...sender, type: Type.Literal('revoke'), revocation, duration_ms: durationMs }),
  Type.Object({ ...sender, type: Type.Literal('unrevoke'), target: Type.Object({ kind, id, issuer }) }),
  Type.Object({ ...sender, type: Type.Literal('ban'), address, duration_ms: durationMs }),
  Type.Object({ ...sender, type: Type.Literal('unban'), address })
])

const checkMessage = Compile(message)
const checkRevocation = Compile(revocation)

/** What travels on `<prefix>ws:control`. Back ends may send `disconnect` and `recheck`; what has to last goes by the admin port. */
export type ControlMessage = Type.Static<typeof message>
export type KeptRevocation = Type.Static<typeof revocation>

/** Reads a message; null when it is none of this version. Never throws. */
export function parseControlMessage (payload: Buffer | string): ControlMessage | null {
  const value = Buffer.byteLength(payload) > MAX_MESSAGE_BYTES ? undefined : parseJson(payload.toString())
  return checkMessage.Check(value) ? value : null
}

/** Reads a kept revocation; null when it is none. Never throws. */
export function parseKeptRevocation (text: string): KeptRevocation | null {
  const value = parseJson(text)
  return checkRevocation.Check(value) ? value : null
}

function parseJson (text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
