// The WebSocket and Redis sides as AsyncAPI 3, from the schemas that check frames and messages.
import { PATHS } from '../../dist/connection/read-request.js'
import { KINDS } from '../../dist/kinds.js'
import { orList } from '../../dist/list-words.js'
import { CLIENT_FRAMES, SUBPROTOCOL } from '../../dist/wire/frames.js'
import { TARGET_FORMS } from '../../dist/wire/ids.js'
import { DisconnectOrderSchema, EventMessageSchema, InboundEntrySchema, RecheckOrderSchema } from '../../dist/wire/redis-messages.js'
import { SERVER_FRAMES } from '../../dist/wire/server-frames.js'
import { queryParameters } from './parameters.js'
import { AUTHENTICATION, CLOSE_CODES, LIMITS, RATE_LIMITS } from './words.js'

/** What answers each client frame, while the connection goes on. */
const REPLIES = {
  subscribe: ['subscribed', 'error'],
  unsubscribe: ['unsubscribed', 'error'],
  send: ['sent', 'error'],
  refresh: ['refreshed', 'error'],
  ping: ['pong', 'error']
}
const REDIS_MESSAGES = {
  topic_event: EventMessageSchema, inbound_entry: InboundEntrySchema, disconnect: DisconnectOrderSchema, recheck: RecheckOrderSchema
}

const ref = path => ({ $ref: `#/${path}` })
const channelName = path => path.slice(1).replace('/', '_')

/** A schema's own examples become the message's, so that each stands once. */
function message (name, { examples, ...payload }) {
  return {
    name,
    title: name,
    summary: payload.description,
    contentType: 'application/json',
    payload,
    examples: examples.map((example, index) => ({ name: `${name}_${index + 1}`, payload: example }))
  }
}

/** A path that takes ids of one kind only has no other list in its frames either, but their schema is one. */
function webSocketChannel (path) {
  const [taken, left] = [PATHS.get(path), KINDS.map(({ list }) => list).filter(name => !PATHS.get(path).includes(name))]
  const names = [...Object.keys(CLIENT_FRAMES), ...Object.keys(SERVER_FRAMES)]
  return {
    address: path,
    title: `Takes ${taken.join(' and ')}`,
    description: [
      `One JSON object per text frame, \`type\` first. Subprotocol \`${SUBPROTOCOL}\`.`,
      left.length === 0 ? '' : ` \`subscribe\` with ${left.map(name => `\`${name}\``).join(', ')} is answered with \`error\` \`bad_request\` here.`,
      ' The first frame is `welcome`. How upgrades are refused stands in openapi.json; how connections are closed, in `x-close-codes`.'
    ].join(''),
    servers: [ref('servers/production'), ref('servers/development')],
    messages: Object.fromEntries(names.map(name => [name, ref(`components/messages/${name}`)])),
    bindings: {
      ws: {
        method: 'GET',
        query: { type: 'object', properties: Object.fromEntries(queryParameters(path).map(({ name, schema, description }) => [name, { ...schema, description }])) },
        bindingVersion: '0.1.0'
      }
    }
  }
}

function webSocketOperations (path) {
  const channel = channelName(path)
  const messages = names => names.map(name => ref(`channels/${channel}/messages/${name}`))
  const taken = Object.keys(CLIENT_FRAMES).map(name => [`${channel}_${name}`, {
    action: 'receive',
    channel: ref(`channels/${channel}`),
    summary: CLIENT_FRAMES[name].description,
    messages: messages([name]),
    reply: { channel: ref(`channels/${channel}`), messages: messages(REPLIES[name]) }
  }])
  const sent = [`${channel}_tell`, {
    action: 'send',
    channel: ref(`channels/${channel}`),
    summary: 'What the server sends by itself.',
    messages: messages(['welcome', 'subscribed', 'event', 'gap', 'positions', 'expiring', 'error', 'too_many_requests', 'closing'])
  }]
  return [...taken, sent]
}

const redisChannels = {
  topics: {
    address: 'ws:topic:{topic}',
    title: 'Events for clients',
    description: 'A back end publishes here, to those who listen now: `PUBLISH` on a single Redis, `SPUBLISH` on a cluster. What the script of `portcullis ' +
      'publish-script` and `POST /v1/publish` publish here has members `pos`, `ts` and `id` before these: only they write them, and keep the event. Ids are percent-encoded outside `A-Za-z0-9._-`; ' +
      'unencoded ones are heard as well. At most 1 MiB. `REDIS_KEY_PREFIX` stands before the name of every channel and stream.',
    servers: [ref('servers/redis')],
    parameters: { topic: { description: orList([...TARGET_FORMS, '`user:<user_id>`']), examples: [...KINDS.map(({ kind, samples }) => `${kind}:${samples[0]}`), 'user:alice'] } },
    messages: { topic_event: ref('components/messages/topic_event') }
  },
  inbound: {
    address: 'ws:inbound',
    title: 'Messages of clients',
    description: 'A stream: a back end reads it with `XREADGROUP` and deletes what it has handled. It is never trimmed; when it is full (`WS_INBOUND_MAX`), clients get `overloaded`.',
    servers: [ref('servers/redis')],
    messages: { inbound_entry: ref('components/messages/inbound_entry') }
  },
  control: {
    address: 'ws:control',
    title: 'Orders of back ends',
    description: 'Heard by every process, and kept nowhere: what has to last goes by the admin port (openapi.json).',
    servers: [ref('servers/redis')],
    messages: { disconnect: ref('components/messages/disconnect'), recheck: ref('components/messages/recheck') }
  }
}

const redisOperations = {
  hear_events: { action: 'receive', channel: ref('channels/topics'), messages: [ref('channels/topics/messages/topic_event')] },
  store_messages: { action: 'send', channel: ref('channels/inbound'), messages: [ref('channels/inbound/messages/inbound_entry')] },
  take_orders: { action: 'receive', channel: ref('channels/control'), messages: [ref('channels/control/messages/disconnect'), ref('channels/control/messages/recheck')] }
}

const securitySchemes = {
  token_in_protocol: { type: 'httpApiKey', in: 'header', name: 'Sec-WebSocket-Protocol', description: `\`${SUBPROTOCOL}, bearer.<jwt>\`: best for browsers. The answer names \`${SUBPROTOCOL}\` only.` },
  token_in_header: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' },
  token_in_query: { type: 'httpApiKey', in: 'query', name: 'token', description: 'The JWT. URLs end up in logs of proxies: prefer the others.' }
}

/** Makes the AsyncAPI document. */
export function buildAsyncApi (version) {
  const paths = [...PATHS.keys()]
  const security = Object.keys(securitySchemes).map(name => ref(`components/securitySchemes/${name}`))
  const messages = { ...CLIENT_FRAMES, ...SERVER_FRAMES, ...REDIS_MESSAGES }
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Portcullis',
      version,
      description: [...AUTHENTICATION, 'Limits, unless the operator has set others:', RATE_LIMITS.join('\n')].join('\n\n'),
      license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' }
    },
    defaultContentType: 'application/json',
    servers: {
      production: { host: 'gateway.example.com', protocol: 'wss', description: 'The main port, behind TLS.', security },
      development: { host: '127.0.0.1:9001', protocol: 'ws', description: '`npm run dev`', security },
      redis: { host: '127.0.0.1:6379', protocol: 'redis', description: 'The Redis that gateway and back ends share.' }
    },
    channels: { ...Object.fromEntries(paths.map(path => [channelName(path), webSocketChannel(path)])), ...redisChannels },
    operations: { ...Object.fromEntries(paths.flatMap(webSocketOperations)), ...redisOperations },
    components: {
      messages: Object.fromEntries(Object.entries(messages).map(([name, schema]) => [name, message(name, schema)])),
      securitySchemes
    },
    'x-close-codes': CLOSE_CODES,
    'x-rate-limits': LIMITS
  }
}
