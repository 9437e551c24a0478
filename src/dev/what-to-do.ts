import { REFUSALS, type Reconnect, type RefusalName } from '../refusals.js'

/** Advice for people where the way of coming back says all. */
const BY_RECONNECT: Readonly<Record<Reconnect, string>> = {
  no: 'The same again would be answered the same.',
  'with a new token': 'Get a new token, then connect again.',
  'after the delay': 'Wait for the stated delay, then try again.',
  'with back-off': 'Try again after a moment, and wait longer after each failure.',
  yes: 'Connect again.'
}

/** Where it does not: what a developer at this page changes. */
const BY_NAME: Readonly<Partial<Record<RefusalName, string>>> = {
  bad_request: 'Look at the filters: too many ids, or one with other characters than A-Z a-z 0-9 . _ : -',
  missing_token: 'Choose a carrier for the token above, then connect again.',
  invalid_token: 'Mint a token here: one of another issuer, or one that was changed, is not taken. The gateway\u2019s log has the cause.',
  expired_token: 'Mint a token with a lifetime above 0, then connect again.',
  revoked: 'Mint a new token: the old one was revoked by an operator or its issuer.',
  forbidden: 'The token must list each id that is asked for, and have ws:send for sending. The gateway\u2019s log has the cause.',
  disconnected: 'An operator did that. Connect again when they say so.',
  user_connection_limit: 'Close one of this user\u2019s sockets, or take another user.',
  too_many_requests: 'Send less: the window empties by itself after the stated delay.',
  bad_message: 'Send another frame: it must be one JSON object with a type that is known.',
  frame_too_large: 'Send less at once: welcome says how much a frame may have (limits.frame_bytes).',
  idle: 'Connect again, and send a frame now and then.',
  slow_consumer: 'Connect again, and read faster, or ask for fewer topics.',
  not_found: 'Connect to one of the paths above.',
  upgrade_required: 'Open this path as a WebSocket.',
  normal: 'Nothing is wrong.'
}

/** What somebody who tries the gateway out can do about a refusal, in a sentence or two. */
export const whatToDo = (name: RefusalName): string => BY_NAME[name] ?? BY_RECONNECT[REFUSALS[name].reconnect]
