import type { EventTerms } from './event-terms.js'
import type { FieldName, FieldValue } from './fields.js'
import { ISSUER_EVENTS } from './issuer-events.js'

const PRESENTED = ['origin', 'client', 'actor'] as const satisfies readonly FieldName[]
const WHO = ['connection_id', 'user_id', 'issuer', 'insecure'] as const satisfies readonly FieldName[]

/**
 * Every line that the log can hold: the one catalogue. The types of lines, their levels and the document of the log are made
 * from it. Of `connection.refused`, `message.limited` and `access.denied` the line with `suppressed` ends a sampled interval:
 * it is the last event held back of its address, and says how many more there were, so that lines plus the sum of their
 * `suppressed` are the events that happened.
 */
export const EVENTS = {
  'connection.accepted': { level: 'info', when: 'a connection is open', fields: ['ip', 'path', 'duration_ms'], optional: [...WHO, ...PRESENTED] },
  'connection.refused': {
    level: 'warn',
    when: 'a request was refused; or, with `suppressed`, the summary of those held back',
    fields: ['ip', 'reason'],
    optional: [...WHO, 'path', 'detail', 'status', 'code', 'dry_run', 'duration_ms', ...PRESENTED, 'suppressed']
  },
  'connection.closed': {
    level: 'info',
    when: 'an accepted connection ended: exactly one line for each `connection.accepted`',
    fields: ['ip', 'path', 'reason'],
    optional: [...WHO, 'code', 'duration_ms', 'messages_in', 'messages_out', 'lost_node']
  },
  'upgrade.lost': {
    level: 'warn',
    when: 'the native layer closed a connection while it was being opened; its accepted and closed lines follow. This is a fault, please report it',
    fields: [],
    optional: []
  },
  'message.limited': {
    level: 'warn',
    when: 'a connection sent more messages than its address may, and is closed with 4429',
    fields: ['ip', 'reason'],
    optional: [...WHO, 'path', 'dry_run', 'suppressed']
  },
  'access.denied': {
    level: 'warn',
    when: 'an open connection asked for something that its user may not see (`detail`: `access`, or the cause), lost the right to it (`access lost`), sent without the ' +
      'scope `ws:send` (`scope`), or sent while no token is checked (`insecure`)',
    fields: ['ip', 'reason'],
    optional: [...WHO, 'path', 'detail', 'topics', 'suppressed']
  },
  'address.banned': {
    level: 'warn',
    when: 'an address (the /64 of an IPv6 address) broke a limit `WS_BAN_AFTER` times in a window, and is banned for `duration_ms`',
    fields: ['ip', 'duration_ms'],
    optional: []
  },
  'admin.action': {
    level: 'info',
    when: 'the admin port was told to do `action` to `target`, and answered `status`. 204: it is kept and done. 200: it is explained. 503: it is not known to be kept, and `detail` says whether it may be',
    fields: ['action', 'target', 'ip', 'status'],
    optional: ['issuer', 'duration_ms', 'detail']
  },
  'secret.refused': {
    level: 'warn',
    when: 'a wrong `ADMIN_TOKEN` or `PUBLISH_KEY` was shown, on either port; ten lines per address in 10 s, then one with `suppressed`',
    fields: ['ip', 'reason'],
    optional: ['secret', 'suppressed']
  },
  ...ISSUER_EVENTS,
  'limits.degraded': {
    level: 'error',
    when: 'Redis does not answer, and `policy` decides from now on. One line per process and outage. `detail` is the code of a connection that failed, such as ECONNREFUSED, ENOTFOUND or one of TLS',
    fields: ['policy', 'reason'],
    optional: ['detail']
  },
  'limits.restored': { level: 'info', when: 'Redis decides again', fields: ['duration_ms'], optional: [] },
  'redis.denied': {
    level: 'error',
    when: 'the user of Redis has no right to `command` on `names`. At a start: whatever can be found out in advance; later: the first time, then once a minute',
    fields: ['command', 'names', 'count'],
    optional: []
  },
  'history.unreadable': {
    level: 'error',
    when: 'the history of topics cannot be read. They are heard without positions, and a client that names a position is told that nothing is recovered. `reason` is `denied`, and `detail` then has the commands that the user of Redis has no right to on `names`; or `reason` is the first word of the answer of Redis, such as WRONGTYPE. Each reason the first time, then once a minute',
    fields: ['reason', 'names', 'count'],
    optional: ['detail']
  },
  'redis.wrong': {
    level: 'error',
    when: 'a server was reached that cannot be used with these settings, such as a Sentinel in REDIS_URL; `reason` names the setting',
    fields: ['reason'],
    optional: []
  },
  'redis.sentinel': {
    level: 'warn',
    when: 'a Sentinel cannot be asked, or its connection failed; the others are asked. `detail` has its address and why. The first time, then once a minute',
    fields: ['detail', 'count'],
    optional: []
  },
  'redis.renewed': { level: 'warn', when: 'calls to Redis go on failing, so all connections to it are made anew, with their names looked up again; at most one line a minute', fields: [], optional: [] },
  'jwks.refreshed': { level: 'info', when: 'the keys of an issuer were fetched', fields: ['issuer', 'keys'], optional: [] },
  'jwks.failed': { level: 'error', when: 'the keys of an issuer could not be fetched; known ones go on for a while', fields: ['issuer', 'reason', 'url'], optional: ['detail'] },
  'introspection.failed': { level: 'error', when: 'an issuer did not say whether a token is active: `reason` and `detail` say why (`client_refused`: it does not take our client id and secret). Each cause the first time, then once a minute', fields: ['issuer', 'reason', 'count'], optional: ['detail'] },
  'introspection.late': { level: 'warn', when: 'the issuer is asked about tokens of open connections later than `JWT_INTROSPECT_S` says, by `duration_ms`: `JWT_INTROSPECT_PER_S` is too low for their number, or the issuer is slow. No connection ends because of it. The first time, then once a minute', fields: ['duration_ms', 'count'], optional: [] },
  'forwarded_for.untrusted': {
    level: 'warn',
    when: 'a peer that is no trusted proxy sent `X-Forwarded-For`; once per address, for the first hundred',
    fields: ['ip'],
    optional: []
  },
  'node.returned': {
    level: 'warn',
    when: 'other processes declared this one lost, and may have written a `node_lost` line for `connections` connections that are open here',
    fields: ['connections'],
    optional: []
  },
  'server.overloaded': { level: 'warn', when: 'the event loop is `delay_ms` late: new connections are refused, open ones are served', fields: ['delay_ms'], optional: [] },
  'server.recovered': { level: 'info', when: 'the event loop is in time again', fields: ['duration_ms'], optional: [] },
  'server.started': { level: 'info', when: 'connections are taken', fields: ['host', 'port', 'binding'], optional: ['admin_port', 'insecure'] },
  'binding.older': {
    level: 'warn',
    when: 'a start outside development mode uses the binding for development; `reason` says what it lacks',
    fields: ['binding', 'reason'],
    optional: []
  },
  'listen.backlog': { level: 'warn', when: '`LISTEN_BACKLOG` is not in force: the kernel holds fewer', fields: ['reason'], optional: [] },
  'descriptors.few': {
    level: 'warn',
    when: 'at a start: the limit on open files (`ulimit -n`) is lower than what `WS_MAX_CONNECTIONS` and the other open files need',
    fields: ['limit', 'needed', 'max_connections'],
    optional: []
  },
  'descriptors.short': {
    level: 'error',
    when: 'nearly all descriptors are taken: the main port is closed until there are some again, and `/readyz` of this process says `descriptors`',
    fields: ['limit', 'connections'],
    optional: []
  },
  'descriptors.enough': {
    level: 'info',
    when: 'the main port has been open again for 10 s: it was closed `count` times, for `duration_ms` from the first closing to the last opening',
    fields: ['duration_ms', 'count'],
    optional: []
  },
  'server.draining': {
    level: 'info',
    when: 'the process ends: `connections` are open, and `duration_ms` is the time for closing them',
    fields: ['connections', 'duration_ms'],
    optional: []
  },
  'server.stopped': { level: 'info', when: 'the process has ended in order', fields: ['reason', 'duration_ms'], optional: [] },
  'access.unavailable': { level: 'error', when: 'the database could not be asked at the start', fields: ['reason'], optional: ['detail'] },
  'access.failed': {
    level: 'error',
    when: 'the database could not say what a user may see, at an upgrade, a frame or a re-check. Each cause the first time, then once a minute',
    fields: ['reason', 'count'],
    optional: ['detail']
  },
  'access.warning': {
    level: 'warn',
    when: 'something about the database should be looked at, though it is no fault by itself. At the start, or when it begins later, such as an anon key that may not look any more. Also, once a minute at most: rows are given to nobody because that key alone sees them',
    fields: ['reason'],
    optional: []
  },
  'access.unsafe': {
    level: 'error',
    when: 'the database no longer protects one user\'s rows from another: nobody is shown anything, and what was given before is ended. Again every minute',
    fields: ['reason'],
    optional: []
  },
  'access.safe': { level: 'info', when: 'it protects them again', fields: ['duration_ms'], optional: [] },
  'bus.lost': {
    level: 'warn',
    when: 'events of `topics` topics may be missed, from `since` until `bus.restored`; those with a position are then read from history. `since` is the last moment at which the connection was known to be good (at most 10 s too early)',
    fields: ['topics', 'since'],
    optional: []
  },
  'bus.restored': { level: 'warn', when: 'all of them are heard again; `duration_ms` is the whole time in which events without a position may have been lost', fields: ['topics', 'duration_ms'], optional: [] },
  'bus.invalid': { level: 'warn', when: 'a back end published something that is no event; at most one line of a `reason` in 10 s', fields: ['reason', 'dropped'], optional: [] },
  'inbound.uncounted': {
    level: 'warn',
    when: '`messages` messages of clients were stored without counting their bytes: Redis denied its user the counts, or their keys hold something else. At most one line in 10 s',
    fields: ['messages'],
    optional: []
  },
  'control.invalid': { level: 'warn', when: 'an order on `ws:control` cannot be read; at most one line of a `reason` in 10 s', fields: ['reason', 'dropped'], optional: [] },
  'control.order': {
    level: 'info',
    when: 'an order was heard on `ws:control` from another process or a back end. `recheck` and `disconnect` are done; for the others, their entry in Redis was read. At most 50 lines of an `order` in 10 s, then one with `dropped` alone',
    fields: ['order'],
    optional: ['user_id', 'ip', 'revocation', 'dropped']
  },
  'control.untold': {
    level: 'warn',
    when: 'an order is kept, done here and answered 204, but Redis did not take a part of it: the `message` to the other processes, which find the order by reading within 30 s, or the `mark` of a ban, which no process reads. The first time, then once a minute',
    fields: ['reason', 'detail', 'count'],
    optional: []
  },
  'control.restored': {
    level: 'warn',
    when: 'Redis had lost revocations, bans or takings back that this process knows (an older snapshot, a fail-over, keys evicted or deleted); `orders` of them are kept again',
    fields: ['orders'],
    optional: []
  },
  'traces.failed': {
    level: 'warn',
    when: 'the collector of traces takes no spans: `reason` and `detail` say why. One line until it does again; connections and publications are not touched',
    fields: ['reason', 'url'],
    optional: ['detail']
  },
  'traces.restored': { level: 'info', when: 'the collector of traces takes spans again; `spans` were lost meanwhile', fields: ['spans', 'duration_ms'], optional: [] },
  'tls.reloaded': { level: 'info', when: 'SIGHUP: the certificate files were read anew', fields: [], optional: [] },
  'tls.refused': { level: 'error', when: 'SIGHUP: the certificate files cannot be used; the old ones stay in force', fields: ['reason'], optional: [] },
  'tls.absent': { level: 'info', when: 'SIGHUP, but there is no TLS to reload', fields: [], optional: [] },
  'resume_key.unreadable': { level: 'warn', when: 'the key of resume passes in Redis cannot be read', fields: [], optional: [] },
  'insecure.open': { level: 'warn', when: 'break-glass lets connections in without a token; every minute', fields: ['insecure', 'until'], optional: [] },
  'insecure.ended': { level: 'warn', when: 'break-glass is over', fields: ['until'], optional: [] },
  'worker.waiting': {
    level: 'warn',
    when: 'a worker has not read revocations and bans yet, and takes no connections until it has',
    fields: ['worker', 'reason'],
    optional: []
  },
  'worker.started': { level: 'info', when: 'a worker takes connections', fields: ['worker', 'port'], optional: [] },
  'worker.hung': { level: 'error', when: 'a worker does not answer, and is ended', fields: ['worker'], optional: [] },
  'worker.exited': {
    level: 'error',
    when: 'a worker ended by itself, and is started again',
    fields: ['worker', 'code', 'signal', 'restart_in_ms'],
    optional: []
  },
  'worker.fork_failed': {
    level: 'error',
    when: 'the system could not start a process for a worker (`reason` is its code, such as EMFILE, EAGAIN or ENOMEM), and is asked again',
    fields: ['worker', 'reason', 'restart_in_ms'],
    optional: []
  },
  'supervisor.started': { level: 'info', when: 'all workers run', fields: ['workers'], optional: [] },
  'supervisor.stopped': { level: 'info', when: 'all workers have ended', fields: ['reason'], optional: [] },
  fault: { level: 'error', when: 'something threw where nothing may: a fault of Portcullis, please report it. Or, with `names`: Redis could not do one thing, because a key holds a value that is not ours; the first time, then once a minute', fields: ['where', 'error'], optional: ['stack', 'names', 'count'] }
} as const satisfies Readonly<Record<string, EventTerms>>

export type EventName = keyof typeof EVENTS

/** One line of one event, as it is given to the log. An optional field that is undefined is not written. */
export type Line<E extends EventName> = { readonly event: E } &
  { readonly [F in typeof EVENTS[E]['fields'][number]]: FieldValue<F> } &
  { readonly [F in typeof EVENTS[E]['optional'][number]]?: FieldValue<F> | undefined }

/** A line of any event; the compiler holds it to the fields of its own. */
export type AnyLine = { [E in EventName]: Line<E> }[EventName]
