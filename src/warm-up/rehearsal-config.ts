import type { Config } from '../config/config.js'
import { PASS_ALGORITHM } from './pass-issuer.js'

export interface RehearsalTerms {
  /** The only issuer. */
  readonly issuer: string
  /** The only origin that is let in, `https://…`: nobody else knows it. */
  readonly origin: string
  readonly redisPort: number
}

/** What one address may do in the rehearsal, where all come from one. */
const UNLIMITED = 1_000_000_000
const ROOM = 10_000

/**
 * The settings of the process, with all taken out that would reach anybody: its ports, its issuers, its Redis, its database, its
 * collector of traces, its log file. What decides how the code runs (log level, history, deadlines, compression) stays.
 */
export function toRehearsalConfig (config: Config, { issuer, origin, redisPort }: RehearsalTerms): Config {
  return {
    ...config,
    server: {
      ...config.server,
      host: '127.0.0.1',
      port: 0,
      tls: null,
      workers: 1,
      drainMs: 0,
      // No storm is rehearsed, and its visitors open sockets while it would be set.
      listenBacklog: null,
      maxConnections: Math.max(ROOM, config.server.maxConnections),
      // One that is made needs none of Redis.
      resumeKeys: [issuer.padEnd(32, '.')]
    },
    admin: { host: '127.0.0.1', port: 0, tokens: [], publishKeys: [] },
    upgrade: {
      ...config.upgrade,
      maxPending: Math.max(ROOM, config.upgrade.maxPending),
      carriers: new Set(['query']),
      anyOrigin: false,
      origins: new Set([origin]),
      trustedProxies: null,
      proxyProtocol: false
    },
    tokens: {
      ...config.tokens,
      issuers: [{
        name: 'rehearsal',
        preset: 'oidc',
        issuer,
        audience: [issuer],
        // Never asked: the keys are handed over.
        jwksUri: `${origin}/keys`,
        algorithms: [PASS_ALGORITHM],
        hmacSecret: null,
        introspection: null
      }]
    },
    limits: { ...config.limits, addressConnections: UNLIMITED, allowList: null, dryRun: false, banAfter: 0 },
    redis: config.redis === null ? null : { url: `redis://127.0.0.1:${redisPort}`, clusterUrls: [], sentinel: null, prefix: config.redis.prefix },
    access: { ...config.access, authorizer: 'claims', issuers: null, databaseUrl: null, supabase: null },
    tracing: { ...config.tracing, tracesUrl: null },
    insecureUntilMs: null,
    log: { ...config.log, file: null }
  }
}
