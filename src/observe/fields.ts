/** What a field of a log line may hold. `true`: present only when it is true. */
export type FieldType = 'string' | 'number' | 'true' | 'null' | 'strings'

interface Field {
  readonly types: readonly FieldType[]
  /** For operators: what the value says, with its unit. */
  readonly meaning: string
}

const text = (meaning: string) => ({ types: ['string'], meaning }) as const satisfies Field
const number = (meaning: string) => ({ types: ['number'], meaning }) as const satisfies Field
const flag = (meaning: string) => ({ types: ['true'], meaning }) as const satisfies Field

/** Fields of every line. */
export const COMMON_FIELDS = {
  level: text('`info`, `warn` (what a client did wrongly) or `error` (what failed on our side)'),
  time: text('ISO 8601, UTC, in ms'),
  node: text('the process: `<NODE_ID>-<worker>-<boot>`'),
  event: text('what happened')
} as const

/** Every other field that a line can hold. One name has one meaning, in whatever line it stands. */
export const FIELDS = {
  connection_id: text('one connection, from accepted to closed; in `welcome` as well'),
  user_id: text('`sub` of the token, `<issuer>:<sub>` with several issuers; absent while nobody has proven who they are'),
  ip: text('client address behind trusted proxies; in summaries the /64 of an IPv6 address'),
  issuer: text('configured name of the token\'s issuer'),
  path: text('path asked for, without its query; segments that could hide a token are `…`'),
  action: text('in `admin.action`: `revoke`, `unrevoke`, `ban`, `unban`, `disconnect`, `recheck` or `explain`'),
  target: text('whom an `admin.action`, `logout.heard` or `signal.heard` is about: a user id, an address, `jti:`, `sid:` or `sub:` with an id, or `*` for everybody'),
  outcome: text('what became of a logout or signal: `kept`, `held` or `repeated`'),
  secret: text('which secret was guessed at: `admin` (ADMIN_TOKEN) or `publish` (PUBLISH_KEY)'),
  insecure: flag('`true`: let in by break-glass, without a token'),
  reason: text('why: a name from the table of refusals; `connection_lost` for a peer that vanished, or closed with a code from 1012 to 3999, which the native layer hides; `node_lost` for a connection whose process was lost; or a word of the event\'s own'),
  detail: text('the exact cause, for operators only: a word of ours, or the code at hand (an HTTP status, `ENOTFOUND`, an SQLSTATE)'),
  status: number('HTTP status that was answered'),
  code: { types: ['number', 'null'], meaning: 'WebSocket close code; in `worker.exited` the exit code' },
  duration_ms: number('how long it took or lasted, in ms'),
  messages_in: number('data frames received'),
  messages_out: number('data frames sent'),
  messages: number('how many messages since the last such line'),
  spans: number('how many spans were lost'),
  suppressed: number('how many more lines of this event and address were held back'),
  dry_run: flag('`true`: decided, but let through (`WS_LIMITS_MODE=dry-run`)'),
  origin: text('the request\'s `Origin`: the page or the app that connects, at most 128 characters'),
  client: text('the client that asked for the token: its `azp`, `client_id`, `cid` or `appid`, at most 128 characters'),
  actor: text('who acts for the user: `act.sub` of the token (RFC 8693), at most 128 characters'),
  topics: { types: ['strings', 'number'], meaning: 'in `access.denied` what was denied, at most ten; elsewhere how many topics' },
  lost_node: text('with `node_lost`: the process that had the connection; another process writes this line'),
  delay_ms: number('how late the event loop is, in ms'),
  policy: text('`WS_LIMITS_ON_REDIS_DOWN`'),
  keys: number('keys that can verify tokens'),
  url: text('address that was asked, without its query'),
  host: text('address listened on'),
  port: number('main port'),
  admin_port: number('admin port'),
  binding: text('which uWebSockets.js was loaded, and why'),
  connections: number('open connections'),
  order: text('`ban`, `unban`, `revoke`, `unrevoke`, `disconnect`, `recheck` or `explain`'),
  orders: number('how many revocations, bans and takings back there were'),
  revocation: text('what is revoked: `jti`, `sid` or `sub`, and the id'),
  limit: number('open files that the system allows this process'),
  needed: number('what that limit would have to be'),
  max_connections: number('connections that are taken at most, with the limit as it is'),
  dropped: number('how many since the last such line'),
  since: text('from when on, ISO 8601'),
  until: text('when break-glass ends'),
  worker: number('number of the worker'),
  workers: number('how many workers'),
  signal: { types: ['string', 'null'], meaning: 'what ended it' },
  restart_in_ms: number('when it is started again, in ms'),
  where: text('place in the code'),
  error: text('name of the error; never its message, which might quote a client'),
  stack: text('where it was thrown'),
  command: text('in `redis.denied`: a command of Redis, in lower case'),
  names: { types: ['strings'], meaning: 'keys or channels of Redis, as an ACL names them: `*` stands for an id' },
  count: number('how often since the last such line, this time included; 0: it was found out in advance')
} as const satisfies Readonly<Record<string, Field>>

export type FieldName = keyof typeof FIELDS

interface Values {
  readonly string: string
  readonly number: number
  readonly true: true
  readonly null: null
  readonly strings: readonly string[]
}

/** The TypeScript type of a field's value. */
export type FieldValue<F extends FieldName> = Values[typeof FIELDS[F]['types'][number]]
