import { UnexpectedReply } from '../redis/lua-reply.js'
import { ScriptItemError } from '../redis/script-item-error.js'
import type { Head, HeadAnswer, Published, Slice } from './history.js'
import { parsePosition } from './position.js'

const HEAD = /^([A-Za-z0-9_-]{1,47}) (\d{1,15}) (\d{1,15})$/
const HEAD_ANSWER = /^(.*) ([01])$/

/**
 * Reads what publish-event.lua tells the gateway of `count` events at `key`: what went wrong with one by itself is rejected. Throws
 * `UnexpectedReply`, as all readers here do.
 */
export function readPublished (reply: unknown, count: number, key: string): Array<PromiseSettledResult<Published>> {
  const script = 'publish-event'
  const answers: readonly unknown[] = Array.isArray(reply) ? reply : []
  if (answers.length !== count) throw new UnexpectedReply(script, 'an answer for each event')
  return answers.map((answer) => {
    if (typeof answer !== 'string') throw new UnexpectedReply(script, 'texts')
    const position = parsePosition(answer.slice(0, -2))
    const mark = answer.slice(-2)
    return position !== null && (mark === ' 0' || mark === ' 1')
      ? { status: 'fulfilled', value: { ...position, isDuplicate: mark === ' 1' } }
      : { status: 'rejected', reason: new ScriptItemError(script, answer, [key]) }
  })
}

/** Reads a head, `<epoch> <top> <stamp of the top>`. */
export function readHead (reply: unknown, script: string): Head {
  const head = typeof reply === 'string' ? parseHead(reply) : null
  if (head === null) throw new UnexpectedReply(script, 'a head')
  return head
}

/** Reads the answers of read-heads.lua, one for each of `keys`: that of a topic which went wrong by itself is rejected. */
export function readHeadAnswers (reply: unknown, keys: readonly string[]): Array<PromiseSettledResult<HeadAnswer>> {
  const script = 'read-heads'
  const answers: readonly unknown[] = Array.isArray(reply) ? reply : []
  if (answers.length !== keys.length) throw new UnexpectedReply(script, 'an answer for each topic')
  return answers.map((answer, place) => {
    if (typeof answer !== 'string') throw new UnexpectedReply(script, 'texts')
    const value = readHeadAnswer(answer)
    return value === null
      ? { status: 'rejected', reason: new ScriptItemError(script, answer, keys.slice(place, place + 1)) }
      : { status: 'fulfilled', value }
  })
}

/** Reads what answers for one topic; null where it is the text of what went wrong. */
export function readHeadAnswer (answer: unknown): HeadAnswer | null {
  const [, text = '', kept] = HEAD_ANSWER.exec(typeof answer === 'string' ? answer : '') ?? []
  const head = parseHead(text)
  return head === null ? null : { ...head, isKept: kept === '1' }
}

/** Reads the answer of read-events.lua, in bytes. */
export function readSlice (reply: unknown): Slice {
  const script = 'read-events'
  const [headText, first, ...payloads]: readonly unknown[] = Array.isArray(reply) ? reply : []
  const head = Buffer.isBuffer(headText) ? parseHead(headText.toString()) : null
  if (head === null || typeof first !== 'number') throw new UnexpectedReply(script, 'a head and an offset')
  return {
    head,
    events: payloads.map((payload, place) => {
      if (!Buffer.isBuffer(payload)) throw new UnexpectedReply(script, 'events')
      return { offset: first + place, payload }
    })
  }
}

function parseHead (text: string): Head | null {
  const [, epoch, top, topAtMs] = HEAD.exec(text) ?? []
  return epoch === undefined ? null : { epoch, top: Number(top), topAtMs: Number(topAtMs) }
}
