// What several documents say, said once: authentication and limits in plain words, and what to do after each refusal.
import { SETTINGS } from '../../dist/config/settings.js'
import { MAX_PINGS } from '../../dist/connection/receive.js'
import { REFUSALS } from '../../dist/refusals.js'

const initial = name => SETTINGS[name].default

/** The limits as they are unless an operator sets others. */
export const LIMITS = {
  connectionAttempts: initial('WS_IP_CONNECTIONS'),
  attemptWindowS: initial('WS_IP_WINDOW_S'),
  openConnections: initial('WS_USER_CONNECTIONS'),
  messages: initial('WS_IP_MESSAGES'),
  messageWindowS: initial('WS_MESSAGE_WINDOW_S'),
  frameBytes: initial('WS_MAX_FRAME_BYTES'),
  filterIds: initial('WS_MAX_FILTER_IDS'),
  subscribesPerS: initial('WS_SUBSCRIBES_PER_S')
}

export const AUTHENTICATION = [
  'A client shows who it is by a JWT: an access token of an issuer that the operator has named. It stands in exactly one of three places: ' +
    'the subprotocol `bearer.<jwt>` offered beside `portcullis.v1`, the header `Authorization: Bearer <jwt>`, or the query parameter `token`. ' +
    'Two different tokens are refused.',
  'The token is checked when the connection opens: signature, issuer, audience, times, and whether it was revoked. ' +
    'The connection lives as long as its token: 30 s before the end the server sends `expiring`, and at the end it closes with 4401, ' +
    'unless the client has sent a new token of the same user in `refresh`.'
]

export const RATE_LIMITS = [
  `- **${LIMITS.connectionAttempts} connection attempts in ${LIMITS.attemptWindowS} s per client address** (\`WS_IP_CONNECTIONS\`). Attempts with a bad token count; attempts that this limit refused do not. ` +
    'IPv6 addresses count by /64. Over it: 429 `ip_rate_limited`.',
  `- **${LIMITS.openConnections} open connections per user** (\`WS_USER_CONNECTIONS\`), over all servers. Over it: 429 \`user_connection_limit\`.`,
  `- **${LIMITS.messages} messages in ${LIMITS.messageWindowS} s per client address** (\`WS_IP_MESSAGES\`), whatever is in them; all connections of an address share them. WebSocket pings do not count; each connection may send ${MAX_PINGS} a minute, and the next one closes it with 4429. ` +
    'Over it: the `Too Many Requests` frame, then close 4429.',
  `- **${LIMITS.frameBytes} bytes per message** (\`WS_MAX_FRAME_BYTES\`). Over it: close 1009. Every frame except \`send\` may have 262144 bytes: a longer one is malformed.`,
  `- **${LIMITS.filterIds} ids in one list** (\`WS_MAX_FILTER_IDS\`), 1000 topics per connection. Over it: 400 or an \`error\` frame, \`bad_request\`.`,
  `- **${LIMITS.subscribesPerS} \`subscribe\` frames a second** per connection (\`WS_SUBSCRIBES_PER_S\`). Over it: an \`error\` frame, \`too_many_requests\`.`
]

const WHAT_TO_DO = {
  no: 'Do not come back by yourself: something must change first.',
  'with a new token': 'Get a new token, then connect.',
  'after the delay': 'Wait as long as it says, then connect.',
  'with back-off': 'Connect again, waiting longer each time (1 s, 2 s, 4 s … a minute), with jitter.',
  yes: 'Connect again.'
}

/** Every close code with each of its reasons, and what a client should do; by code. */
export const CLOSE_CODES = [
  ...Object.entries(REFUSALS).filter(([, { closeCode }]) => closeCode !== null).map(([error, { closeCode, reconnect, message }]) => ({
    code: closeCode, error, meaning: message, reconnect, what_to_do: WHAT_TO_DO[reconnect]
  })),
  { code: 1006, error: null, meaning: 'no close frame came: the network, or you read far too slowly, or sent far too much', reconnect: 'with back-off', what_to_do: WHAT_TO_DO['with back-off'] }
].sort((a, b) => a.code - b.code)
