import type { TSchema } from '#typebox'
import { isDeeperThan, MAX_DEPTH } from './depth.js'
import { Compile } from '#typebox/compile'
import { CLIENT_FRAMES, type ClientFrame, type ServerFrame } from './frames.js'

type Check = (value: unknown) => boolean
const compile = (schema: TSchema): Check => {
  const validator = Compile(schema)
  return value => validator.Check(value)
}

/** One compiled check per frame type. A Map, so that a type named `__proto__` finds nothing. */
const CHECKS: ReadonlyMap<unknown, Check> = new Map(Object.entries(CLIENT_FRAMES).map(([type, schema]) => [type, compile(schema)]))

/** Reads one text frame; null when it is not JSON, of unknown type, or has a wrong, missing or unknown field. */
export function decodeFrame (text: string): ClientFrame | null {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return null
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null
  const check = CHECKS.get((value as { type?: unknown }).type)
  if (check?.(value) !== true) return null
  const frame = value as ClientFrame
  return frame.type === 'send' && isDeeperThan(frame.data, MAX_DEPTH) ? null : frame
}

export function encodeFrame (frame: ServerFrame): string {
  return JSON.stringify(frame)
}

/** The `id` of a frame that is otherwise malformed, so that its sender knows which one it was; undefined when it has none. */
export function readFrameId (text: string): string | undefined {
  try {
    const id = (JSON.parse(text) as { id?: unknown } | null)?.id
    return typeof id === 'string' && id.length <= 64 ? id : undefined
  } catch {
    return undefined
  }
}
