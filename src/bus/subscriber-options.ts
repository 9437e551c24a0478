import type { RedisOptions } from '#ioredis'

const MAX_RECONNECT_DELAY_MS = 2000

/** Options of a subscriber connection: it subscribes again by its own account, not by ioredis's, and waits for no queue. */
export const SUBSCRIBER_OPTIONS = {
  connectionName: 'portcullis-subscriber',
  keyPrefix: '',
  lazyConnect: true,
  readOnly: false,
  enableOfflineQueue: false,
  autoResubscribe: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  commandTimeout: 5000,
  // Its commands are few: a timer for each costs nothing. The connection for commands has a watch of its own (`watchSilence`).
  socketTimeout: 5000,
  // The connection for commands watches the sentinels, and this one follows it.
  failoverDetector: false,
  retryStrategy: (attempt) => Math.min(50 * 2 ** Math.min(attempt, 10), MAX_RECONNECT_DELAY_MS) * (0.5 + Math.random() / 2)
} as const satisfies RedisOptions
