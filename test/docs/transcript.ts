import { parsePosition } from '../../src/history/position.js'
import { isObject, type Json, type JsonObject } from './documents.js'

/** One line of an example: what opens it, what is sent, what is published, and what must come. */
export type Step =
  | { readonly does: 'open', readonly path: string, readonly note: string }
  | { readonly does: 'send' | 'receive', readonly text: string, readonly times: number }
  | { readonly does: 'closed', readonly code: number, readonly reason: JsonObject }
  | { readonly does: 'publish', readonly topic: string, readonly message: string }
  | { readonly does: 'post', readonly body: string, readonly answer: JsonObject }
  | { readonly does: 'lose', readonly topic: string }

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
  const post = /^POST \/v1\/publish (\{.*\}) ⇒ 202 (\{.*\})$/.exec(line)
  if (post !== null) return { does: 'post', body: post[1] ?? '', answer: JSON.parse(post[2] ?? '') as JsonObject }
  const lose = /^\(Redis loses the history of (\S+)\)$/.exec(line)
  if (lose !== null) return { does: 'lose', topic: lose[1] ?? '' }
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

const EXAMPLE_POSITION = /\b([\w-]+):(\d+)\b/g

/**
 * The positions of examples, and what they are in a run. An epoch of an example is of one topic: its first position that is met says which
 * epoch it is here, and how far its offsets are from those of the example.
 */
export class Positions {
  private readonly epochs = new Map<string, { readonly epoch: string, readonly ahead: number }>()

  /** Writes positions that are known as they are here; any other text stays. */
  toReal (text: string): string {
    return text.replace(EXAMPLE_POSITION, (position, example: string, offset: string) => {
      const known = this.epochs.get(example)
      return known === undefined ? position : `${known.epoch}:${Number(offset) + known.ahead}`
    })
  }

  isSame (example: string, real: string): boolean {
    const [a, b] = [parsePosition(example), parsePosition(real)]
    if (a === null || b === null) return false
    if (!this.epochs.has(a.epoch)) this.epochs.set(a.epoch, { epoch: b.epoch, ahead: b.offset - a.offset })
    return this.toReal(example) === real
  }
}

/**
 * What of a real frame is not as its example says; empty when it is. Field for field: no more, no fewer, in the same order. Positions are
 * to one another as in all examples that were compared with the same `positions`.
 */
export function differences (example: Json | undefined, real: Json | undefined, name = '', positions = new Positions()): string[] {
  if (isObject(example) && isObject(real)) {
    const names = (value: JsonObject): string => Object.keys(value).filter(key => !OPTIONAL.has(key)).join(' ')
    const fields = Object.keys(real).flatMap(key => differences(example[key], real[key], key, positions))
    return names(example) === names(real) ? fields : [`${name}: has ${names(real)}, not ${names(example)}`, ...fields]
  }
  const volatile = VOLATILE.has(name) && typeof example === typeof real && (!TIMES.has(name) || ISO_TIME.test(String(real)))
  if (typeof example === 'string' && typeof real === 'string' && positions.isSame(example, real)) return []
  return volatile || JSON.stringify(example) === JSON.stringify(real) ? [] : [`${name}: ${JSON.stringify(real)}, not ${JSON.stringify(example)}`]
}
