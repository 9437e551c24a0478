import { isIP } from 'node:net'
import { Redis, type Cluster, type RedisOptions } from '#ioredis'
import type { RedisClient } from './client.js'
import { OnceCluster, refreshOnLoss, SENT_ONCE } from './once-cluster.js'
import { readRedisUrl, type RedisNode, type ServerAddress } from './read-url.js'
import { tellingConnector, type OnSentinelError } from './telling-sentinels.js'

/** Sentinels that watch a master, and know at any time where it is. */
export interface SentinelTarget {
  readonly sentinels: readonly ServerAddress[]
  /** The name under which they watch it. */
  readonly master: string
  /** Of the sentinels; null: they want none. */
  readonly password: string | null
}

/** Where a Redis is: one of `url` (alone), `clusterUrls` and `sentinel`. */
export interface RedisPlace {
  /**
   * `redis://` or `rediss://`, with user and password where they are needed; for a single Redis. Beside sentinels it gives user,
   * password, database and TLS (which the sentinels then speak too), not the host.
   */
  readonly url?: string | null
  /** The same of some nodes of a cluster: all with the first one's user, password and TLS. */
  readonly clusterUrls?: readonly string[]
  readonly sentinel?: SentinelTarget | null
}

const CONNECT_TIMEOUT_MS = 2000
const KEEP_ALIVE_MS = 10_000
/** For a peer to end a connection that is left; a server that hangs never does. */
const DISCONNECT_TIMEOUT_MS = 500
const MAX_RETRY_DELAY_MS = 2000
const SENTINEL_TIMEOUT_MS = 1000

const SINGLE = { retryStrategy: chooseRetryDelayMs, enableOfflineQueue: false }

type IsWrongServer = (error: Error) => boolean
type Options = ReturnType<typeof createOptions>

function createOptions (commandTimeout: number, reconnectOnError: IsWrongServer) {
  return {
    commandTimeout,
    reconnectOnError,
    connectTimeout: CONNECT_TIMEOUT_MS,
    keepAlive: KEEP_ALIVE_MS,
    disconnectTimeout: DISCONNECT_TIMEOUT_MS,
    // A script that was sent may have run: sending it again would count twice.
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    connectionName: 'portcullis'
  }
}

/**
 * Opens a client which sends each command once, at once or not at all. `isWrongServer` is asked about each error that Redis
 * answers with: true has that connection made anew. `onSentinelError`: a Sentinel failed; the others are asked. Throws, without
 * the URL in the message, when a URL cannot be read.
 */
export function openClient (
  place: RedisPlace, commandTimeoutMs: number, isWrongServer: IsWrongServer, onSentinelError: OnSentinelError = () => {}
): RedisClient {
  const options = createOptions(commandTimeoutMs, isWrongServer)
  const { sentinel = null, clusterUrls = [], url = null } = place
  if (clusterUrls.length > 0) return openCluster(clusterUrls.map(readRedisUrl), options)
  if (sentinel !== null) {
    const Connector = tellingConnector(onSentinelError)
    return openBySentinels(sentinel, url === null ? null : readRedisUrl(url), { ...options, Connector })
  }
  const { address, access, tls } = readRedisUrl(url ?? '')
  return new Redis({ ...options, ...SINGLE, ...address, ...access, ...(tls && { tls: nameServer(address.host) }) })
}

/** The sentinels are asked again at each connection; a fail-over that they tell of ends the present one. */
function openBySentinels ({ sentinels, master, password }: SentinelTarget, node: RedisNode | null, options: Options & Pick<RedisOptions, 'Connector'>): Redis {
  const withTls = node?.tls === true
  // The master is verified by the name or address under which the sentinels know it.
  const nameMaster = (key: string) => {
    const address = splitKey(key)
    return { ...address, ...(withTls && nameServer(address.host)) }
  }
  return new Redis({
    ...options,
    ...SINGLE,
    ...node?.access,
    sentinels: sentinels.map((address) => ({ ...address })),
    name: master,
    ...(password !== null && { sentinelPassword: password }),
    sentinelRetryStrategy: chooseRetryDelayMs,
    sentinelReconnectStrategy: chooseRetryDelayMs,
    sentinelCommandTimeout: SENTINEL_TIMEOUT_MS,
    failoverDetector: true,
    natMap: nameMaster,
    ...(withTls && { tls: {}, sentinelTLS: {}, enableTLSForSentinelMode: true })
  })
}

function openCluster (nodes: readonly RedisNode[], options: Options): Cluster {
  const withTls = nodes[0]?.tls === true
  // Each node is verified by its own name: that of its URL, or the one under which the cluster tells of it.
  const nameNode = (address: ServerAddress) => ({ ...address, ...(withTls && { tls: nameServer(address.host) }) })
  const cluster = new OnceCluster(nodes.map(({ address }) => nameNode(address)), {
    redisOptions: { ...options, ...nodes[0]?.access, ...(withTls && { tls: {} }) },
    ...(withTls && { natMap: (key) => nameNode(splitKey(key)) }),
    ...SENT_ONCE,
    clusterRetryStrategy: chooseRetryDelayMs,
    maxRedirections: 4,
    retryDelayOnClusterDown: 100,
    slotsRefreshTimeout: CONNECT_TIMEOUT_MS
  })
  refreshOnLoss(cluster)
  return cluster
}

/** How TLS names the server that it wants. An address is no server name (RFC 6066): the certificate is held to it all the same. */
export function nameServer (host: string): { servername?: string } {
  return isIP(host) === 0 ? { servername: host } : {}
}

function splitKey (key: string): ServerAddress {
  const colon = key.lastIndexOf(':')
  return { host: key.slice(0, colon), port: Number(key.slice(colon + 1)) }
}

/** Doubles from 50 ms to a cap; the jitter keeps a fleet from coming back in one moment. `attempt`: from 1 on. */
function chooseRetryDelayMs (attempt: number): number {
  const capMs = Math.min(MAX_RETRY_DELAY_MS, 50 * 2 ** Math.min(attempt - 1, 10))
  return Math.ceil(capMs * (0.5 + Math.random() / 2))
}
