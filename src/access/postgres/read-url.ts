import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { readSslMode, type TlsTarget } from './read-ssl-mode.js'

/** What the address of a database says. */
export interface DatabaseAddress {
  /** A name or an address; IPv6 without brackets. */
  readonly host: string
  readonly port: number
  /** Null, as for the others: the driver's default. */
  readonly user: string | null
  readonly password: string | null
  readonly database: string | null
  readonly tls: TlsTarget
  /** Sent to the server at the beginning of a connection. */
  readonly startup: Readonly<Record<string, string>>
}

const DEFAULT_PORT = 5432
const HOW_TO_WRITE = 'in user, password and database write @ as %40, # as %23, / as %2F, ? as %3F, : as %3A and % as %25'

/** Parameters that go to the server. */
const SENT: ReadonlySet<string> = new Set(['application_name', 'options'])
/** Parameters that mean something here, with the values of each that do what they say. */
const UNDERSTOOD: ReadonlyMap<string, ReadonlySet<string> | null> = new Map([
  ['sslmode', null],
  ['sslrootcert', null],
  // The gateway needs no prepared statements, so there is nothing to turn off or on.
  ['pgbouncer', new Set(['true', 'false'])],
  // Two of its three words promise nothing, and the driver cannot keep the promise of the third.
  ['channel_binding', new Set(['disable', 'prefer'])]
])
const WHY_NOT: Readonly<Record<string, string>> = {
  channel_binding: 'the driver has no channel binding: take `channel_binding=require` out, and verify the server by sslmode=verify-full',
  pgbouncer: '`pgbouncer` must be true or false'
}
/** Those of libpq and of common tools: only names that are known are repeated, as others may be a part of a password. */
const KNOWN_ELSEWHERE = new Set(['host', 'hostaddr', 'port', 'dbname', 'user', 'password', 'passfile', 'ssl', 'sslcert', 'sslkey', 'sslpassword', 'sslcrl',
  'sslnegotiation', 'sslaccept', 'sslidentity', 'connect_timeout', 'connection_limit', 'pool_timeout', 'schema', 'search_path', 'statement_timeout',
  'target_session_attrs', 'load_balance_hosts', 'gssencmode', 'krbsrvname', 'client_encoding', 'fallback_application_name', 'keepalives',
  'keepalives_idle', 'tcp_user_timeout', 'socket_timeout', 'max', 'prepare', 'supa', 'workaround', 'uselibpqcompat'])

/** Reads what may be percent-encoded. */
function decode (text: string): string {
  try {
    const decoded = decodeURIComponent(text)
    if (!decoded.includes('\0')) return decoded
  } catch {
    // Said below.
  }
  throw new Error(`it has a % that begins no character: ${HOW_TO_WRITE}`)
}

const orNull = (text: string): string | null => text === '' ? null : decode(text)

function readHost ({ hostname }: URL): string {
  if (hostname === '') throw new Error('it names no host')
  if (/[,%]/.test(hostname)) throw new Error('it must name one host: no list, and no path of a socket')
  return hostname.replace(/^\[(.*)\]$/, '$1')
}

function readDatabase ({ pathname, hash }: URL): string | null {
  if (hash !== '' || /[@/]/.test(pathname.slice(1))) throw new Error(`a password or a name in it is cut: ${HOW_TO_WRITE}`)
  return orNull(pathname.slice(1))
}

/**
 * The startup parameters of a URL. Throws on a parameter that would do nothing, or not what it says; so would one of two that
 * stand there with the same name.
 */
function readStartup (parameters: URLSearchParams): Record<string, string> {
  const startup: Record<string, string> = {}
  for (const [name, value] of parameters) {
    const values = UNDERSTOOD.get(name)
    if (parameters.getAll(name).length > 1 && (SENT.has(name) || values !== undefined)) throw new Error(`\`${name}\` stands there twice: only one of them could count`)
    if (SENT.has(name)) startup[name] = value
    else if (values === undefined) throw new Error(`${KNOWN_ELSEWHERE.has(name) ? `\`${name}\`` : 'one of its parameters'} does nothing here: what does are ${[...UNDERSTOOD.keys(), ...SENT].join(', ')}; settings of the server go into options=-c%20name%3Dvalue`)
    else if (values?.has(value) === false) throw new Error(WHY_NOT[name] ?? `\`${name}\` has a value that is none`)
  }
  return startup
}

/** Reads the authorities of `sslrootcert`; null: those that Node knows. The file's content is never repeated. */
function readAuthorities (file: string | null): string | null {
  if (file === null || file === 'system') return null
  let pem: string
  try {
    pem = readFileSync(file, 'utf8')
  } catch {
    throw new Error('the file of `sslrootcert` cannot be read')
  }
  try {
    if (new X509Certificate(pem).raw.length > 0) return pem
  } catch {
    // Said below.
  }
  throw new Error('the file of `sslrootcert` holds no PEM certificate')
}

/**
 * Reads a `postgres://` URL, and the file that it may name. Throws an error that says what is wrong and repeats nothing that
 * could be a part of the password.
 */
export function readDatabaseUrl (text: string): DatabaseAddress {
  if (!URL.canParse(text)) throw new Error(`it cannot be read as a URL of one host: ${HOW_TO_WRITE}`)
  const url = new URL(text)
  if (!/^postgres(?:ql)?:$/.test(url.protocol)) throw new Error('it must begin with postgres:// or postgresql://')
  const host = readHost(url)
  const database = readDatabase(url)
  const startup = readStartup(url.searchParams)
  const file = url.searchParams.get('sslrootcert')
  return {
    host,
    port: url.port === '' ? DEFAULT_PORT : Number(url.port),
    user: orNull(url.username),
    password: orNull(url.password),
    database,
    tls: readSslMode(url.searchParams.get('sslmode'), { host, file, authorities: readAuthorities(file) }),
    startup
  }
}
