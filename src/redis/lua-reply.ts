import { ScriptItemError } from './script-item-error.js'

/** A script answered with something other than what its header promises. */
export class UnexpectedReply extends Error {
  override readonly name = 'UnexpectedReply'

  /** `script`: the name of its file; the message never quotes the reply, which may hold what clients sent. */
  constructor (script: string, expected: string) {
    super(`${script}.lua did not answer with ${expected}`)
  }
}

interface Tuples {
  readonly 1: readonly [number]
  readonly 2: readonly [number, number]
  readonly 3: readonly [number, number, number]
  readonly 5: readonly [number, number, number, number, number]
}

/** Reads 1 as true and 0 as false. Throws `UnexpectedReply`, as all readers here do. */
export function readFlag (reply: unknown, script: string): boolean {
  if (reply !== 0 && reply !== 1) throw new UnexpectedReply(script, '0 or 1')
  return reply === 1
}

/** Reads a number of things: 0 or more. */
export function readCount (reply: unknown, script: string): number {
  if (!isInteger(reply) || reply < 0) throw new UnexpectedReply(script, 'a number of things')
  return reply
}

/** Reads a fixed number of integers. */
export function readTuple<N extends keyof Tuples> (reply: unknown, script: string, length: N): Tuples[N] {
  if (!isTuple(reply, length)) throw new UnexpectedReply(script, `a list of ${length} integers`)
  return reply
}

/** Reads a list of integers, empty or of any length. */
export function readIntegers (reply: unknown, script: string): readonly number[] {
  if (!isListOf(reply, isInteger)) throw new UnexpectedReply(script, 'a list of integers')
  return reply
}

/**
 * Reads the answers of a batch: one for each of `count` items, an integer or the text of what went wrong with that item
 * alone; and after them the failures of everything else (see `readFailures`). `keys`: those of the call.
 */
export function readBatch (
  reply: unknown, script: string, count: number, keys: readonly string[]
): { readonly answers: ReadonlyArray<number | string>, readonly failures: readonly ScriptItemError[] } {
  if (!isListOf(reply, isAnswer) || reply.length < count) throw new UnexpectedReply(script, 'an answer for each item')
  if (reply.length === count) return { answers: reply, failures: [] }
  return { answers: reply.slice(0, count), failures: readFailures(reply.slice(count), script, keys) }
}

/** Reads a list with one answer for each of `count` items; what is in it is not looked at. */
export function readAnswers (reply: unknown, script: string, count: number): readonly unknown[] {
  if (!Array.isArray(reply) || reply.length !== count) throw new UnexpectedReply(script, 'an answer for each item')
  return reply
}

/** Reads what went wrong with single items: pairs of the place of a key in `keys`, from 1 on, and Redis's text. */
export function readFailures (reply: unknown, script: string, keys: readonly string[]): ScriptItemError[] {
  const flat: readonly unknown[] = Array.isArray(reply) ? reply : [null]
  const failures: ScriptItemError[] = []
  for (let at = 0; at < flat.length; at += 2) {
    const [place, text] = [flat[at], flat[at + 1]]
    if (!isInteger(place) || !isText(text)) throw new UnexpectedReply(script, 'pairs of a place and a text')
    failures.push(new ScriptItemError(script, text, keys.slice(place - 1, place)))
  }
  return failures
}

/** Reads three lists; what is in them is not looked at. */
export function readThreeLists (reply: unknown, script: string): readonly [readonly unknown[], readonly unknown[], readonly unknown[]] {
  const [first, second, third, ...more]: readonly unknown[] = Array.isArray(reply) ? reply : []
  if (!Array.isArray(first) || !Array.isArray(second) || !Array.isArray(third) || more.length > 0) throw new UnexpectedReply(script, 'three lists')
  return [first, second, third]
}

/** Reads a list of texts, empty or of any length. */
export function readTexts (reply: unknown, script: string): readonly string[] {
  if (!isListOf(reply, isText)) throw new UnexpectedReply(script, 'a list of texts')
  return reply
}

/** Reads a flat list of pairs, each a text and an integer. */
export function readTextIntegerPairs (reply: unknown, script: string): Array<readonly [string, number]> {
  const pairs: Array<readonly [string, number]> = []
  const flat: readonly unknown[] = Array.isArray(reply) ? reply : [null]
  for (let at = 0; at < flat.length; at += 2) {
    const [text, integer] = [flat[at], flat[at + 1]]
    if (!isText(text) || !isInteger(integer)) throw new UnexpectedReply(script, 'pairs of a text and an integer')
    pairs.push([text, integer])
  }
  return pairs
}

function isTuple<N extends keyof Tuples> (reply: unknown, length: N): reply is Tuples[N] {
  return isListOf(reply, isInteger) && reply.length === length
}

function isListOf<T> (reply: unknown, isItem: (item: unknown) => item is T): reply is readonly T[] {
  return Array.isArray(reply) && reply.every(isItem)
}

function isInteger (item: unknown): item is number {
  return Number.isInteger(item)
}

function isAnswer (item: unknown): item is number | string {
  return isInteger(item) || isText(item)
}

function isText (item: unknown): item is string {
  return typeof item === 'string'
}
