import { isUtf8 } from 'node:buffer'
import { NOT_JSON, skipSpace, skipValue, TOO_DEEP } from './scan-json.js'

/**
 * One JSON value as its author wrote it, checked: it passes on byte for byte, so that numbers beyond 2^53, the order of members
 * and escapes arrive as they were sent. Nobody on the way makes objects of it.
 */
export class JsonText {
  private constructor (
    /** UTF-8, without white space around. Not to be changed. */
    readonly bytes: Buffer
  ) {}

  /** Takes what a scan of ours has found to be one value, such as a part that `readMembers` gave. */
  static ofChecked (bytes: Buffer): JsonText {
    return new JsonText(bytes)
  }

  /** Takes text that somebody says is JSON. Throws TypeError when it is not, RangeError when it is nested too deeply. */
  static parse (text: string): JsonText {
    const bytes = Buffer.from(text)
    const start = skipSpace(bytes, 0)
    const end = skipValue(bytes, start)
    if (end === TOO_DEEP) throw new RangeError('the data is nested too deeply')
    if (end === NOT_JSON || skipSpace(bytes, end) !== bytes.length || !isUtf8(bytes)) throw new TypeError('not JSON')
    return new JsonText(bytes.subarray(start, end))
  }

  /** Writes a value. Throws TypeError when it is not JSON, RangeError when it is nested too deeply. */
  static from (value: unknown): JsonText {
    if (value instanceof JsonText) return value
    const text: unknown = JSON.stringify(value)
    if (typeof text !== 'string') throw new TypeError('not JSON')
    return JsonText.parse(text)
  }

  toString (): string { return this.bytes.toString() }

  /** The value, as `JSON.stringify` asks for it: numbers beyond 2^53 have lost their last digits. */
  toJSON (): unknown { return JSON.parse(this.toString()) }
}
