import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import postgres from 'postgres'
import { AccessError, ConnectionLostError } from '../access-error.js'
import { isTrouble } from '../sqlstate.js'

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

/** What the driver passes to its option `socket`, which its types leave out. */
interface SocketTarget {
  readonly host: readonly string[]
  readonly port: readonly number[]
}

const DEFAULT_PORT = 5432
const END_TIMEOUT_S = 1
/** The server ended this connection, by an operator's hand or in a crash of another. */
const SHUT_DOWN = /^57P0[1-5]$/

/**
 * Makes one connection. The driver is postgres.js: well kept, and it needs no prepared statements. But it reconnects by
 * itself, and would then send the rest of a transaction, as the login role, over a connection that never saw its
 * beginning: hence one client for each connection, with a socket that is given out only once.
 */
export function createPgConnection (url: string): PgConnection {
  let socket: Socket | null = null
  let closed = false

  async function openOnce ({ host, port }: SocketTarget): Promise<Socket> {
    if (socket !== null || closed) throw new ConnectionLostError('the connection is closed')
    const name = host[0] ?? 'localhost'
    socket = connect({ host: name, port: port[0] ?? DEFAULT_PORT })
    socket.setNoDelay(true)
    await connected(socket)
    // The driver looks here for the name that the server's certificate must carry.
    return Object.assign(socket, { host: name })
  }

  const options = {
    max: 1,
    prepare: false,
    fetch_types: false,
    // The caller's deadline ends an attempt, and the pool a connection's life.
    connect_timeout: 0,
    idle_timeout: 0,
    max_lifetime: null,
    onnotice: () => {},
    onclose: () => { closed = true },
    connection: { application_name: 'portcullis' },
    socket: openOnce,
    ...certificateCheck(url)
  }
  const client = postgres(url, options)

  const connection: PgConnection = {
    get closed () { return closed },
    async run (text, parameters = []) {
      if (closed) throw new ConnectionLostError('the connection is closed')
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

/** The driver would look for `localhost` in the certificate of a server that is named by its address. */
function certificateCheck (url: string): { ssl?: { host: string } } {
  const { hostname, searchParams } = new URL(url)
  return searchParams.get('sslmode') === 'verify-full' ? { ssl: { host: hostname.replace(/^\[|\]$/g, '') } } : {}
}

/** Resolves when the socket is open; rejects when it fails, and when it is destroyed before. */
async function connected (socket: Socket): Promise<void> {
  const given = new AbortController()
  const closedFirst = once(socket, 'close', { signal: given.signal }).then(() => { throw new ConnectionLostError('the connection is closed') })
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
  if (error instanceof postgres.PostgresError) {
    const message = `the database answered SQLSTATE ${error.code}`
    if (SHUT_DOWN.test(error.code)) return new ConnectionLostError(message)
    return new AccessError(message, error.severity === 'ERROR' && !isTrouble(error.code))
  }
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown'
  return new ConnectionLostError(`the database cannot be reached (${code})`)
}
