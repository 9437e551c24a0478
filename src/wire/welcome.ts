import { createIsoFormatter } from '../clocks.js'
import { encodeFrame } from './codec.js'
import type { WelcomeLimits } from './frames.js'
import { quote } from './quote.js'

/** What differs between the `welcome` frames of one process. */
export interface Welcomed {
  readonly connectionId: string
  readonly userId: string
  /** In ms since the epoch. */
  readonly expiresAtMs: number
  /** Now, in ms since the epoch. */
  readonly timeMs: number
  /** The user's own topic and its position; null: not known. */
  readonly own: { readonly topic: string, readonly position: string } | null
  /** The answer to `?since=`; null: it was not asked. */
  readonly recovered: boolean | null
}

/** What the `welcome` frames of one process share. */
export interface WelcomeTerms {
  /** Name of the process; not empty. */
  readonly node: string
  readonly limits: WelcomeLimits
  /** For how long events and their ids are known, in s; null: they are not. */
  readonly historyS: number | null
}

/** Makes the encoder of one process's `welcome` frames, in UTF-8: what they share is encoded once. */
export function createWelcomeEncoder ({ node, limits, historyS }: WelcomeTerms): (welcomed: Welcomed) => Uint8Array {
  const frame = encodeFrame({ type: 'welcome', connection_id: '', user_id: '', node, expires_at: '', time: '', limits, history_s: historyS ?? undefined, positions: {} })
  // The first two stand before the node's name, which may hold anything, and only numbers after the last two.
  const [first, last] = [frame.indexOf('""'), frame.lastIndexOf('""')]
  const [second, third] = [frame.indexOf('""', first + 2), frame.lastIndexOf('""', last - 1)]
  const [head, toUser] = [frame.slice(0, first), frame.slice(first + 2, second)]
  const [toEnd, toTime, tail] = [frame.slice(second + 2, third), frame.slice(third + 2, last), frame.slice(last + 2, -3)]
  // Many come in one millisecond, and tokens of one second end in one.
  const [formatEnd, formatTime] = [createIsoFormatter(), createIsoFormatter()]
  return ({ connectionId, userId, expiresAtMs, timeMs, own, recovered }) => {
    const positions = own === null ? '{}' : `{${quote(own.topic)}:"${own.position}"}`
    const answer = recovered === null ? '' : `,"recovered":${recovered}`
    return Buffer.from(
      `${head}${quote(connectionId)}${toUser}${quote(userId)}${toEnd}"${formatEnd(expiresAtMs)}"${toTime}"${formatTime(timeMs)}"${tail}${positions}${answer}}`
    )
  }
}
