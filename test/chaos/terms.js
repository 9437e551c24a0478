/** The limits under which the gateways run here: short, so that minutes see what takes hours elsewhere. */
export const TERMS = {
  leaseMs: 3000,
  windowMs: 5000,
  addressConnections: 10,
  userConnections: 5,
  messages: 100,
  drainMs: 1000,
  upgradeDeadlineMs: 4000,
  /** How long a gateway waits for Redis before it does without: a quarter of the deadline, at most a second. */
  redisCallMs: 1000
}

/** While Redis has been up with its data for so long, the limits hold without any exception. */
export const STEADY_MS = TERMS.windowMs + TERMS.leaseMs

/** Whoever connects from here is told from others by `X-Forwarded-For`. */
export const PROXY_ADDRESS = '127.200.0.1'
/** `127.9.x.y` is on the allow list. */
export const ALLOWED_NETWORK = '127.9.'

export const AGENTS = Array.from({ length: 12 }, (_, n) => `a${n}`)
export const TASKS = Array.from({ length: 8 }, (_, n) => `t${n}`)

/**
 * The settings of every gateway.
 * @param {{ issuerUrl: string, jwksUrl: string, redisSettings: Record<string, string>, adminToken: string, publishKey: string }} world
 */
export function settingsFor ({ issuerUrl, jwksUrl, redisSettings, adminToken, publishKey }) {
  return {
    HOST: '127.0.0.1',
    JWT_ISSUER: issuerUrl,
    JWT_AUDIENCE: 'portcullis',
    JWT_JWKS_URI: jwksUrl,
    JWKS_MAX_AGE_S: '3',
    JWKS_COOLDOWN_S: '1',
    JWKS_TIMEOUT_MS: '1000',
    ...redisSettings,
    ADMIN_TOKEN: adminToken,
    PUBLISH_KEY: publishKey,
    TRUSTED_PROXIES: `${PROXY_ADDRESS}/32`,
    WS_IP_ALLOW_LIST: `${ALLOWED_NETWORK}0.0/16`,
    WS_IP_CONNECTIONS: String(TERMS.addressConnections),
    WS_IP_WINDOW_S: String(TERMS.windowMs / 1000),
    WS_USER_CONNECTIONS: String(TERMS.userConnections),
    // Full before the memory is looked at: what fills a bounded cache for minutes looks like a leak.
    JWT_CACHE_SIZE: '100',
    WS_USER_LEASE_S: String(TERMS.leaseMs / 1000),
    WS_IP_MESSAGES: String(TERMS.messages),
    WS_MESSAGE_WINDOW_S: String(TERMS.windowMs / 1000),
    // A peer that has vanished is noticed within three of these.
    WS_PING_INTERVAL_S: '4',
    WS_DRAIN_SECONDS: String(TERMS.drainMs / 1000),
    WS_UPGRADE_DEADLINE_MS: String(TERMS.upgradeDeadlineMs)
  }
}
