import type { ControlMessage } from './messages.js'

/** An order that was heard on the control channel, as the log tells it. */
export interface HeardOrder {
  readonly order: ControlMessage['type']
  readonly userId?: string
  readonly address?: string
  /** `jti`, `sid` or `sub`, and the id. */
  readonly revocation?: string
  /** Orders heard since the line before and not told. */
  readonly dropped?: number
}

const PERIOD_MS = 10_000
const MOST_IN_PERIOD = 50

function describe (message: ControlMessage): HeardOrder {
  switch (message.type) {
    case 'disconnect': return { order: message.type, userId: message.user_id }
    case 'recheck': return { order: message.type, ...(typeof message.user_id === 'string' && { userId: message.user_id }) }
    case 'ban':
    case 'unban': return { order: message.type, address: message.address }
    case 'revoke': return { order: message.type, revocation: `${message.revocation.kind} ${message.revocation.id}` }
    case 'unrevoke': return { order: message.type, revocation: `${message.target.kind} ${message.target.id}` }
  }
}

/** Tells of orders that are heard: at most 50 in 10 s, so that a back end cannot flood the log. `now` in ms. */
export function createOrderReports (report: (heard: HeardOrder) => void, now: () => number): (message: ControlMessage) => void {
  let beganAtMs = -Infinity
  let told = 0
  let dropped = 0
  return (message) => {
    if (now() - beganAtMs >= PERIOD_MS) [beganAtMs, told] = [now(), 0]
    if (told >= MOST_IN_PERIOD) { dropped++; return }
    told++
    report({ ...describe(message), ...(dropped > 0 && { dropped }) })
    dropped = 0
  }
}
