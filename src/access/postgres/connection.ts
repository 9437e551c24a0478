import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import postgres from 'postgres'
import { AccessError, ConnectionLostError } from '../access-error.js'
import { findErrorCode } from '../../error-code.js'
import type { AccessCause } from '../causes.js'
import type { DatabaseAddress } from './read-url.js'
import { causeOfNetworkError } from '../network-cause.js'
import { causeOfSqlstate, isSqlstate, isTrouble } from '../sqlstate.js'

export type Row = Readonly<Record<string, unknown>>

/** One connection to the database, used by one check at a time and never reconnected: once closed it stays closed. */
export interface PgConnection {
  readonly closed: boolean
  /**
   * Runs one statement with parameters, or several without, and resolves with the rows. The first call connects.
   * Parameters travel beside the text, in unnamed statements only, so that any server connection behind a pooler will do.
   * Rejects with `AccessError`; with `ConnectionLostError` where another connection may do better.
   */
  run (text: string, parameters?: readonly string[]): Promise<readonly Row[]>
  /** Drops the connection; what runs on it rejects. */
  destroy (): void
  /** Says goodbye to the server first. Never rejects. */
  end (): Promise<void>
}

const END_TIMEOUT_S = 1
/** The server ended this connection, by an operator's hand or in a crash of another. */
const SHUT_DOWN = /^57P0[1-5]$/
/** PgBouncer has one code for whatever it refuses by itself, and only its words tell what that is. */
const POOLER_CODE = '08P01'
const POOLER_SAYS: ReadonlyArray<readonly [RegExp, AccessCause]> = [
  [/^(?:password|SASL) authentication failed|^no such user/, 'wrong_password'],
  [/^no such database/, 'database_missing'],
  [/^no more connections allowed|^sorry, too many clients/, 'too_many_connections'],
  [/^TLS |SSL required/, 'tls']
]

/**
 * Makes one connection. The driver is postgres.js: well kept, and it needs no prepared statements. But it reconnects by
 * itself, and would then send the rest of a transaction, as the login role, over a connection that never saw its
 * beginning: hence one client for each connection, with a socket that is given out only once.
 */
export function createPgConnection ({ host, port, user, password, database, tls, startup }: DatabaseAddress): PgConnection {
  let socket: Socket | null = null
  let closed = false

  async function openOnce (): Promise<Socket> {
    if (socket !== null || closed) throw new ConnectionLostError('connection_lost', 'the connection is closed')
    socket = connect({ host, port })
    socket.setNoDelay(true)
    await connected(socket)
    // The driver looks here for the name that the server's certificate must carry.
    return Object.assign(socket, { host })
  }

  const options = {
    host,
    port,
    ...(user !== null && { user }),
    ...(password !== null && { password }),
    ...(database !== null && { database }),
    ssl: tls,
    max: 1,
    prepare: false,
    fetch_types: false,
    // The caller's deadline ends an attempt, and the pool a connection's life.
    connect_timeout: 0,
    idle_timeout: 0,
    max_lifetime: null,
    onnotice: () => {},
    onclose: () => { closed = true },
    connection: { application_name: 'portcullis', ...startup },
    socket: openOnce
  }
  const client = postgres(options)

  const connection: PgConnection = {
    get closed () { return closed },
    async run (text, parameters = []) {
      if (closed) throw new ConnectionLostError('connection_lost', 'the connection is closed')
      try {
        return await client.unsafe<Row[]>(text, [...parameters])
      } catch (error) {
        throw describeFailure(error)
      }
    },
    destroy () {
      closed = true
      socket?.destroy()
    },
    async end () {
      await client.end({ timeout: END_TIMEOUT_S }).catch(() => {})
      connection.destroy()
    }
  }
  return connection
}

/** Resolves when the socket is open; rejects when it fails, and when it is destroyed before. */
async function connected (socket: Socket): Promise<void> {
  const given = new AbortController()
  const closedFirst = once(socket, 'close', { signal: given.signal }).then(() => { throw new ConnectionLostError('connection_lost', 'the connection is closed') })
  try {
    await Promise.race([once(socket, 'connect', { signal: given.signal }), closedFirst])
  } finally {
    closedFirst.catch(() => {})
    given.abort()
  }
}

/** Only a code is carried along: the server's message, and the driver's error with text and parameters, quote the claims. */
function describeFailure (error: unknown): AccessError {
  if (error instanceof AccessError) return error
  if (error instanceof postgres.PostgresError) return describeAnswer(error)
  const code = findErrorCode(error)
  return new ConnectionLostError(causeOfNetworkError(error, code), `the database cannot be reached (${code ?? 'unknown'})`, { code })
}

/** What the server, or a pooler in its place, answered. */
function describeAnswer ({ code: sqlstate, message: text, severity }: postgres.PostgresError): AccessError {
  const code = isSqlstate(sqlstate) ? sqlstate : null
  if (code === null) return new AccessError('unknown', 'the database answered with an error without an SQLSTATE')
  const message = `the database answered SQLSTATE ${code}`
  if (SHUT_DOWN.test(code)) return new ConnectionLostError(causeOfSqlstate(code), message, { code })
  const reason = code === POOLER_CODE ? POOLER_SAYS.find(([pattern]) => pattern.test(text))?.[1] : undefined
  return new AccessError(reason ?? causeOfSqlstate(code), message, { code, answered: severity === 'ERROR' && !isTrouble(code) })
}
