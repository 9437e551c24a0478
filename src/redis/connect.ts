import { Cluster, Redis } from '#ioredis'
import { waitAtMost } from './bounded-wait.js'
import type { RedisClient } from './client.js'

export interface RedisTarget {
  /** `redis://` or `rediss://`, with user and password where they are needed; for a single Redis. */
  readonly url?: string
  /** The same of some nodes of a cluster: all with the first one's user, password and TLS. */
  readonly clusterUrls?: readonly string[]
  /** How long one command may take, 1 or more; longer rejects. */
  readonly commandTimeoutMs?: number
}

export interface RedisConnection {
  readonly commands: RedisClient
  /** Whether commands can be sent now. A Redis that hangs counts as up until its connection is given up. */
  isUp (): boolean
  /** Calls `listener` at each change of `isUp`; returns how to stop it. */
  onChange (listener: (up: boolean) => void): () => void
  /** What the last attempt to connect failed with; null once connected. */
  lastError (): unknown
  /** Whether it is up, at the latest after `timeoutMs`. */
  waitUntilUp (timeoutMs: number): Promise<boolean>
  close (): Promise<void>
}

/** Where a Redis is and how to get in. */
interface NodeOptions {
  readonly host: string
  readonly port: number
  readonly username?: string
  readonly password?: string
  readonly db?: number
  readonly tls?: { readonly servername: string }
}

const COMMAND_TIMEOUT_MS = 1000
const CONNECT_TIMEOUT_MS = 2000
/** A connection on which commands wait and nothing arrives is dead: half-open, or its Redis hangs. */
const SILENCE_MS = 5000
const KEEP_ALIVE_MS = 10_000
const CLOSE_TIMEOUT_MS = 1000
const MAX_RETRY_DELAY_MS = 2000

/**
 * Connects for a gateway: a command either goes out now or rejects, is never kept for later and never sent twice, and
 * reconnecting goes on for ever. Throws, without the URL in the message, when a URL cannot be read.
 */
export function connectRedis (target: RedisTarget): RedisConnection {
  const options = createOptions(target.commandTimeoutMs ?? COMMAND_TIMEOUT_MS)
  const commands = target.clusterUrls === undefined || target.clusterUrls.length === 0
    ? new Redis({ ...options, ...readUrl(target.url ?? ''), retryStrategy: chooseRetryDelayMs, enableOfflineQueue: false })
    : connectCluster(target.clusterUrls.map(readUrl), options)
  const state = watch(commands)
  return { commands, ...state, close: async () => { await closeClient(commands) } }
}

function createOptions (commandTimeout: number) {
  return {
    commandTimeout,
    connectTimeout: CONNECT_TIMEOUT_MS,
    socketTimeout: Math.max(SILENCE_MS, 2 * commandTimeout),
    keepAlive: KEEP_ALIVE_MS,
    // A script that was sent may have run: sending it again would count twice.
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    connectionName: 'portcullis'
  }
}

function connectCluster (nodes: readonly NodeOptions[], options: ReturnType<typeof createOptions>): Cluster {
  const { host: _host, port: _port, ...access } = nodes[0] ?? {}
  return new Cluster(nodes.map(({ host, port }) => ({ host, port })), {
    redisOptions: { ...options, ...access },
    enableOfflineQueue: false,
    clusterRetryStrategy: chooseRetryDelayMs,
    maxRedirections: 4,
    retryDelayOnFailover: 100,
    retryDelayOnClusterDown: 100,
    slotsRefreshTimeout: CONNECT_TIMEOUT_MS
  })
}

/** Doubles from 50 ms to a cap; the jitter keeps a fleet from coming back in one moment. */
function chooseRetryDelayMs (attempt: number): number {
  const capMs = Math.min(MAX_RETRY_DELAY_MS, 50 * 2 ** Math.min(attempt - 1, 10))
  return Math.ceil(capMs * (0.5 + Math.random() / 2))
}

function readUrl (text: string): NodeOptions {
  // URL.parse's own error would carry the text, and the text may carry a password.
  if (!URL.canParse(text)) throw new Error('a Redis URL cannot be read')
  const url = new URL(text)
  if (url.protocol !== 'redis:' && url.protocol !== 'rediss:') throw new Error('a Redis URL must start with redis:// or rediss://')
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
  return {
    host: host === '' ? '127.0.0.1' : host,
    port: url.port === '' ? 6379 : Number(url.port),
    ...(url.username !== '' && { username: decode(url.username) }),
    ...(url.password !== '' && { password: decode(url.password) }),
    ...(url.pathname.length > 1 && { db: readDatabase(url.pathname.slice(1)) }),
    ...(url.protocol === 'rediss:' && { tls: { servername: host } })
  }
}

function decode (text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function readDatabase (text: string): number {
  if (!/^\d{1,5}$/.test(text)) throw new Error('the path of a Redis URL must be the number of a database')
  return Number(text)
}

function watch (commands: RedisClient): Pick<RedisConnection, 'isUp' | 'onChange' | 'lastError' | 'waitUntilUp'> {
  const listeners = new Set<(up: boolean) => void>()
  let up = false
  let lastError: unknown = null
  const change = (isUp: boolean): void => {
    if (isUp === up) return
    up = isUp
    for (const listener of [...listeners]) listener(isUp)
  }
  // Without a listener an 'error' event would end the process; what it says arrives with each command as well.
  commands.on('error', (error: unknown) => { lastError = error })
  commands.on('ready', () => {
    lastError = null
    change(true)
  })
  for (const event of ['close', 'end', 'reconnecting']) commands.on(event, () => { change(false) })
  const onChange = (listener: (isUp: boolean) => void): (() => void) => {
    listeners.add(listener)
    return () => { listeners.delete(listener) }
  }
  return {
    isUp: () => up,
    onChange,
    lastError: () => lastError,
    waitUntilUp: async (timeoutMs) => up || await new Promise((resolve) => {
      const finish = (): void => {
        clearTimeout(timer)
        stop()
        resolve(up)
      }
      const timer = setTimeout(finish, timeoutMs)
      const stop = onChange(finish)
    })
  }
}

async function closeClient (commands: RedisClient): Promise<void> {
  // QUIT lets what was sent be answered; a Redis that is away or hangs is left at once.
  await waitAtMost(commands.quit(), CLOSE_TIMEOUT_MS, 'QUIT').catch(() => {})
  commands.disconnect()
}
