import { isObject, type Json, type JsonObject } from './documents.js'

/** One line of an example: what opens it, what is sent, what is published, and what must come. */
export type Step =
  | { readonly does: 'open', readonly path: string, readonly note: string }
  | { readonly does: 'send' | 'receive', readonly text: string, readonly times: number }
  | { readonly does: 'closed', readonly code: number, readonly reason: JsonObject }
  | { readonly does: 'publish', readonly topic: string, readonly message: string }

/** Reads an example as the protocol document writes them. Throws on a line that it cannot read, so that none is skipped. */
export function readTranscript (block: string): Step[] {
  return block.trimEnd().split('\n').map(readLine)
}

function readLine (line: string): Step {
  const open = /^GET (\S+)(?: \((.+)\))?$/.exec(line)
  if (open !== null) return { does: 'open', path: open[1] ?? '', note: open[2] ?? '' }
  const closed = /^← close (\d{4}) (\{.*\})$/.exec(line)
  if (closed !== null) return { does: 'closed', code: Number(closed[1]), reason: JSON.parse(closed[2] ?? '') as JsonObject }
  const publish = /^PUBLISH ws:topic:(\S+) (\{.*\})$/.exec(line)
  if (publish !== null) return { does: 'publish', topic: publish[1] ?? '', message: publish[2] ?? '' }
  const frame = /^([→←]) (.+?)(?: × (\d+))?$/.exec(line)
  if (frame !== null) return { does: frame[1] === '→' ? 'send' : 'receive', text: frame[2] ?? '', times: Number(frame[3] ?? 1) }
  throw new Error(`no line of an example: ${line}`)
}

/** Fields whose values differ from run to run; their types do not. */
const VOLATILE = new Set(['connection_id', 'node', 'expires_at', 'time', 'ts', 'retry_after_ms', 'reconnect_after_ms', 'resume', 'opened_at', 'ip', 'messages_in', 'messages_out', 'topics', 'retry_after_s'])
const TIMES = new Set(['expires_at', 'time', 'ts', 'opened_at'])
/** Fields that may be missing where there is nothing to say. */
const OPTIONAL = new Set(['resume'])
const ISO_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

/** What of a real frame is not as its example says; empty when it is. Field for field: no more, no fewer, in the same order. */
export function differences (example: Json | undefined, real: Json | undefined, name = ''): string[] {
  if (isObject(example) && isObject(real)) {
    const names = (value: JsonObject): string => Object.keys(value).filter(key => !OPTIONAL.has(key)).join(' ')
    const fields = Object.keys(real).flatMap(key => differences(example[key], real[key], key))
    return names(example) === names(real) ? fields : [`${name}: has ${names(real)}, not ${names(example)}`, ...fields]
  }
  const volatile = VOLATILE.has(name) && typeof example === typeof real && (!TIMES.has(name) || ISO_TIME.test(String(real)))
  return volatile || JSON.stringify(example) === JSON.stringify(real) ? [] : [`${name}: ${JSON.stringify(real)}, not ${JSON.stringify(example)}`]
}
