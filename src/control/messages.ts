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

const disconnect = Type.Object({ ...passing, ...DisconnectOrderSchema.properties })
const recheck = Type.Object({ ...passing, ...RecheckOrderSchema.properties })

const message = Type.Union([
  disconnect,
  recheck,
  Type.Object({ ...sender, type: Type.Literal('revoke'), revocation, duration_ms: durationMs }),
  Type.Object({ ...sender, type: Type.Literal('unrevoke'), target: Type.Object({ kind, id, issuer }) }),
  Type.Object({ ...sender, type: Type.Literal('ban'), address, duration_ms: durationMs }),
  Type.Object({ ...sender, type: Type.Literal('unban'), address })
])

const checkMessage = Compile(message)
const checkRevocation = Compile(revocation)
/** A token, a session or a user, as records in Redis are named. */
const checkTargetName = Compile(Type.Tuple([kind, issuer, id]))

/**
 * What travels on `<prefix>ws:control`. `disconnect` and `recheck` are done by who hears them; the others only say which
 * entry is to be read again. They say the whole order, as processes of the build before do what they hear.
 */
export type ControlMessage = Type.Static<typeof message>
/** An order that is done once and leaves nothing behind. */
export type PassingOrder = Type.Static<typeof disconnect> | Type.Static<typeof recheck>
/** An order that lasts, or its taking back. */
export type LastingOrder = Exclude<ControlMessage, PassingOrder>
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

/** Reads the name of a record about revocations; null when it is none. Never throws. */
export function parseTargetName (text: string): Omit<KeptRevocation, 'issuedBeforeMs'> | null {
  const value = parseJson(text)
  if (!checkTargetName.Check(value)) return null
  const [kind, issuer, id] = value
  return { kind, id, issuer }
}

function parseJson (text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
