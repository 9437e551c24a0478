import type { TSchema } from '#typebox'
import { Compile } from '#typebox/compile'
import { CLIENT_FRAMES, type ClientFrame, type ServerFrame } from './frames.js'
import { isMembers, readMembers } from './read-members.js'

type Check = (value: unknown) => boolean
const compile = (schema: TSchema): Check => {
  const validator = Compile(schema)
  return value => validator.Check(value)
}

/** A frame that says nothing; its `id`, where it could be read, so that its sender knows which one it was. */
export interface MalformedFrame { readonly type: 'malformed', readonly id: string | undefined }

/** Longest frame but for `send`: ten times what a list of 1000 ids needs. */
export const MAX_SMALL_FRAME_BYTES = 262_144
/** Longest field of a `send` besides its data, in bytes of JSON: 134 characters fit, were each of them an escape. */
const MAX_SEND_FIELD_BYTES = 1024
const MAX_ID_LENGTH = 64

/** One compiled check per frame type. A Map, so that a type named `__proto__` finds nothing. */
const CHECKS: ReadonlyMap<unknown, Check> = new Map(Object.entries(CLIENT_FRAMES).map(([type, schema]) => [type, compile(schema)]))
const FIELDS: ReadonlySet<string> = new Set(Object.values(CLIENT_FRAMES).flatMap(({ properties }) => Object.keys(properties)))

/**
 * Reads one text frame, given in UTF-8; malformed when it is not JSON, too long for its type, of unknown type, or has a wrong,
 * missing or unknown field. The `data` of a `send` is checked and left where it is: a part of `bytes`.
 */
export function decodeFrame (bytes: Uint8Array): ClientFrame | MalformedFrame {
  const members = readMembers(bytes, FIELDS)
  if (!isMembers(members)) return { type: 'malformed', id: undefined }
  const { known, hasOthers } = members
  const malformed = (): MalformedFrame => ({ type: 'malformed', id: readId(known.get('id')) })
  const type = readShort(known.get('type'))
  const check = CHECKS.get(type)
  const isSend = type === 'send'
  if (check === undefined || hasOthers || (!isSend && bytes.length > MAX_SMALL_FRAME_BYTES)) return malformed()
  const frame: Record<string, unknown> = {}
  for (const [name, value] of known) {
    if (isSend && name !== 'data' && value.length > MAX_SEND_FIELD_BYTES) return malformed()
    frame[name] = name === 'data' ? value : JSON.parse(value.toString())
  }
  return check(frame) ? frame as ClientFrame : malformed()
}

/** What a field holds; undefined when there is none, or too much for a name. */
function readShort (json: Buffer | undefined): unknown {
  return json === undefined || json.length > MAX_SEND_FIELD_BYTES ? undefined : JSON.parse(json.toString())
}

function readId (json: Buffer | undefined): string | undefined {
  const id = readShort(json)
  return typeof id === 'string' && id.length <= MAX_ID_LENGTH ? id : undefined
}

/** The `id` of a frame that is not looked at further, so that its sender knows which one it was; undefined when it has none. */
export function readFrameId (bytes: Uint8Array): string | undefined {
  const members = readMembers(bytes, FIELDS)
  return isMembers(members) ? readId(members.known.get('id')) : undefined
}

export function encodeFrame (frame: ServerFrame): string {
  return JSON.stringify(frame)
}
