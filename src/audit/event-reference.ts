import type { Level } from './events.js'

/**
 * Every line that the log can hold, for people: when it is written, and the fields that it may have besides those of every
 * line. The document of the log is made from this; tests hold it to the types of the audit and to what gateways write.
 */
interface EventReference {
  readonly level: Level
  readonly when: string
  readonly fields: readonly string[]
}

/** Fields of every line. */
export const COMMON_FIELDS = ['level', 'time', 'node', 'event'] as const

const CONNECTION = ['connection_id', 'user_id', 'ip', 'issuer', 'path', 'insecure'] as const

export const EVENT_REFERENCE = {
  'connection.accepted': { level: 'info', when: 'a connection is open', fields: [...CONNECTION, 'duration_ms'] },
  'connection.refused': {
    level: 'warn',
    when: 'a request was refused; or, with `suppressed`, the summary of those held back',
    fields: [...CONNECTION, 'reason', 'detail', 'status', 'code', 'dry_run', 'duration_ms', 'suppressed']
  },
  'connection.closed': {
    level: 'info',
    when: 'an accepted connection ended: exactly one line for each `connection.accepted`',
    fields: [...CONNECTION, 'reason', 'code', 'duration_ms', 'messages_in', 'messages_out', 'lost_node']
  },
  'upgrade.lost': {
    level: 'warn',
    when: 'the native layer closed a connection while it opened it: its accepted and closed lines follow. A fault, please report it',
    fields: []
  },
  'message.limited': {
    level: 'warn',
    when: 'a connection sent more messages than its address may, and is closed with 4429',
    fields: [...CONNECTION, 'reason', 'dry_run', 'suppressed']
  },
  'access.denied': {
    level: 'warn',
    when: 'an open connection asked for what its user may not see, or lost the right to it',
    fields: [...CONNECTION, 'reason', 'topics', 'suppressed']
  },
  'address.banned': { level: 'warn', when: 'an address broke a limit `WS_BAN_AFTER` times in a window, and is banned for `duration_ms`', fields: ['ip', 'duration_ms'] },
  'limits.degraded': {
    level: 'error',
    when: 'Redis does not answer, and `policy` decides from now on: one line per process and outage',
    fields: ['policy', 'reason']
  },
  'limits.restored': { level: 'info', when: 'Redis decides again', fields: ['duration_ms'] },
  'jwks.refreshed': { level: 'info', when: 'the keys of an issuer were fetched', fields: ['issuer', 'keys'] },
  'jwks.failed': { level: 'error', when: 'the keys of an issuer could not be fetched; known ones go on for a while', fields: ['issuer', 'reason'] },
  'forwarded_for.untrusted': {
    level: 'warn',
    when: 'a peer that is no trusted proxy sent `X-Forwarded-For`; once per address, for the first hundred',
    fields: ['ip']
  },
  'node.returned': {
    level: 'warn',
    when: 'this process was taken for lost and is not: others may have written a `node_lost` line for `connections` connections that are open here',
    fields: ['connections']
  },
  'server.overloaded': { level: 'warn', when: 'the event loop is `delay_ms` late: new connections are refused, open ones are served', fields: ['delay_ms'] },
  'server.recovered': { level: 'info', when: 'it is in time again', fields: ['duration_ms'] },
  'server.started': { level: 'info', when: 'connections are taken', fields: ['host', 'port', 'admin_port', 'binding', 'insecure'] },
  'server.draining': { level: 'info', when: 'the process ends: `connections` are open, and `duration_ms` is the time for closing them', fields: ['connections', 'duration_ms'] },
  'server.stopped': { level: 'info', when: 'the process has ended in order', fields: ['reason', 'duration_ms'] },
  'access.unavailable': { level: 'error', when: 'the database did not answer at the start', fields: ['reason'] },
  'bus.lost': { level: 'warn', when: 'events of `topics` topics may be missed from now on', fields: ['topics'] },
  'bus.restored': { level: 'warn', when: 'all of them are heard again', fields: ['topics', 'duration_ms'] },
  'bus.invalid': { level: 'warn', when: 'a back end published what is no event; at most one line in 10 s', fields: ['reason', 'dropped'] },
  'control.invalid': { level: 'warn', when: 'an order on `ws:control` cannot be read; at most one line in 10 s', fields: ['reason', 'dropped'] },
  'tls.reloaded': { level: 'info', when: 'SIGHUP: the certificate files were read anew', fields: [] },
  'tls.refused': { level: 'error', when: 'SIGHUP: they cannot be used; the old ones stay in force', fields: ['reason'] },
  'tls.absent': { level: 'info', when: 'SIGHUP, but there is no TLS to reload', fields: [] },
  'resume_key.unreadable': { level: 'warn', when: 'the key of resume tickets in Redis cannot be read', fields: [] },
  'insecure.open': { level: 'warn', when: 'break-glass lets connections in without a token; every minute', fields: ['insecure', 'until'] },
  'insecure.ended': { level: 'warn', when: 'break-glass is over', fields: ['until'] },
  'worker.waiting': { level: 'warn', when: 'a worker has not read revocations and bans yet, and takes no connections until it has', fields: ['worker', 'reason'] },
  'worker.started': { level: 'info', when: 'a worker takes connections', fields: ['worker', 'port'] },
  'worker.hung': { level: 'error', when: 'a worker does not answer, and is ended', fields: ['worker'] },
  'worker.exited': { level: 'error', when: 'a worker ended by itself, and is started again', fields: ['worker', 'code', 'signal', 'restart_in_ms'] },
  'supervisor.started': { level: 'info', when: 'all workers run', fields: ['workers'] },
  'supervisor.stopped': { level: 'info', when: 'all workers have ended', fields: ['reason'] },
  fault: { level: 'error', when: 'something threw where nothing may: a fault of Portcullis, please report it', fields: ['where', 'error', 'stack'] }
} as const satisfies Readonly<Record<string, EventReference>>

/** What each field means, in whatever line. */
export const FIELD_REFERENCE: Readonly<Record<string, string>> = {
  level: '`info`, `warn` (what a client did wrongly) or `error` (what failed on our side)',
  time: 'ISO 8601, UTC, in ms',
  node: 'the process: `<NODE_ID>-<worker>-<boot>`',
  event: 'what happened',
  connection_id: 'one connection, from accepted to closed; in `welcome` as well',
  user_id: '`sub` of the token, `<issuer>:<sub>` with several issuers; absent while nobody has proven who they are',
  ip: 'client address behind trusted proxies; in summaries the /64 of an IPv6 address',
  issuer: 'configured name of the token\'s issuer',
  path: 'path asked for, without its query; segments that could hide a token are `…`',
  insecure: '`true`: let in by break-glass, without a token',
  reason: 'why: a name from the table of refusals; `connection_lost` for a peer that vanished, `node_lost` for one whose process did; or a word of the event\'s own',
  detail: 'more exactly why, from a fixed vocabulary, for operators only',
  status: 'HTTP status that was answered',
  code: 'WebSocket close code; in `worker.exited` the exit code',
  duration_ms: 'how long it took or lasted, in ms',
  messages_in: 'data frames received',
  messages_out: 'data frames sent',
  suppressed: 'how many more lines of this event and address were held back',
  dry_run: '`true`: decided, but let through (`WS_LIMITS_MODE=dry-run`)',
  topics: 'in `access.denied` what was denied, at most ten; elsewhere how many topics',
  lost_node: 'with `node_lost`: the process that had the connection; another one writes its line',
  delay_ms: 'how late the event loop is, in ms',
  policy: '`WS_LIMITS_ON_REDIS_DOWN`',
  keys: 'keys that can verify tokens',
  host: 'address listened on',
  port: 'main port',
  admin_port: 'admin port',
  binding: 'which uWebSockets.js was loaded, and why',
  connections: 'open connections',
  dropped: 'how many since the last such line',
  until: 'when break-glass ends',
  worker: 'number of the worker',
  workers: 'how many workers',
  signal: 'what ended it',
  restart_in_ms: 'when it is started again, in ms',
  where: 'place in the code',
  error: 'name of the error; never its message, which might quote a client',
  stack: 'where it was thrown'
}
