import Type, { type TSchema } from '#typebox'
import { KINDS, mapKindsBy } from '../kinds.js'
import { andList } from '../list-words.js'

/** Longest duration that a setting may name, in seconds: a year. */
const YEAR_S = 31_536_000
/** Rate limits may be as high as this. */
const MAX_LIMIT = 1_000_000_000
/** 1 TiB: more than a Redis has. */
const MAX_INBOUND_BYTES = 1_099_511_627_776

/** Marks a schema whose default makes the setting always present. */
const defaulted = <S extends TSchema, D>(schema: S, initial: D): S & { readonly default: D } => ({ ...schema, default: initial })

const text = (description: string, more: object = {}) => Type.String({ description, maxLength: 4096, ...more })
/** The name of a claim, which may be a URI. */
const claimName = (description: string) => text(description, { pattern: '^[^\\s,]{1,256}$', wanted: 'the name of one claim' })
const secret = (description: string, minLength = 0) => Type.String({ description, minLength, maxLength: 4096, secret: true })
/** A secret of our own, which has two values while it is changed. */
const changeable = (description: string) =>
  defaulted(Type.Array(Type.String({ minLength: 32, maxLength: 2048 }), { description, maxItems: 2, secret: true }), [] as string[])
/** A variable that other programs read as well: its name in lower case, as most write it, counts first. */
const lowerCase = <S extends TSchema>(schema: S): S & { readonly lowerCase: true } => ({ ...schema, lowerCase: true })
/** A proxy's address may hold a password. */
const variable = (description: string) => lowerCase(text(`${description}; \`http://host:port\``, { secret: true }))
const whole = (description: string, initial: number, minimum: number, maximum: number) =>
  defaulted(Type.Integer({ description, minimum, maximum }), initial)
const seconds = (description: string, initial: number, minimum = 1) => whole(description, initial, minimum, YEAR_S)
const limit = (description: string, initial: number) => whole(description, initial, 1, MAX_LIMIT)
const flag = (description: string) => defaulted(Type.Boolean({ description }), false)
const list = (description: string, initial: string[] = []) =>
  // A list that is something by default is never nothing: no carrier or no algorithm would refuse everybody.
  defaulted(Type.Array(Type.String({ minLength: 1 }), { description, minItems: Math.min(1, initial.length) }), initial)
const choice = <const T extends string>(description: string, initial: T, options: readonly T[]) =>
  defaulted(Type.Enum(options as T[], { description }), initial)

/** A relation name as `schema.table`, in plain identifiers. */
const RELATION = { pattern: '^[A-Za-z_][A-Za-z0-9_]{0,62}\\.[A-Za-z_][A-Za-z0-9_]{0,62}$', wanted: 'the schema and the name of a table or view, such as public.example' }

/** An event that takes the room of all others has Redis trim this many at once: 10 ms. */
const MAX_HISTORY_EVENTS = 10_000
const HISTORY_EVENTS = { minimum: 0, maximum: MAX_HISTORY_EVENTS }
/** 256 MiB of one topic. */
const MAX_HISTORY_BYTES = 268_435_456

const RELATIONS = andList(KINDS.map(({ setting }) => `\`${setting}\``))
const CLAIMS = andList(KINDS.map(({ claim }) => `\`${claim}\``))

/** What the native layer asks for; it has no option for it. */
export const NATIVE_BACKLOG = 512

/** Every setting: its environment name, type, bounds, default and meaning. An empty value counts as unset. */
export const SETTINGS = {
  HOST: defaulted(text('address to listen on; `localhost` is IPv4 only, `::` is both'), '0.0.0.0'),
  PORT: whole('main port; 0 takes a free one', 9001, 0, 65535),
  LISTEN_BACKLOG: whole('connections that the kernel holds until a process accepts them, for each process; the kernel takes no more than `net.core.somaxconn`', NATIVE_BACKLOG, 1, 65_535),
  TLS_CERT_FILE: text('PEM certificate chain; with TLS_KEY_FILE the main port speaks TLS'),
  TLS_KEY_FILE: text('PEM private key'),
  WORKERS: defaulted(text('processes: a number up to 256, or `auto` for one per core; more than 1 needs Redis', { pattern: '^(auto|[1-9][0-9]{0,2})$' }), '1'),
  ADMIN_HOST: defaulted(text('address of the admin port'), '127.0.0.1'),
  ADMIN_PORT: whole('admin port; 0 turns it off', 9002, 0, 65535),
  ADMIN_TOKEN: changeable('bearer secret of the admin endpoints, at least 32 bytes; two with a comma while it is changed; unset: they are 404'),
  PUBLISH_KEY: changeable('secret of `POST /v1/publish`, at least 32 bytes; two with a comma while it is changed; unset: it is 404'),
  WS_ALLOWED_ORIGINS: list('exact origins that may connect, also those of apps such as `capacitor://localhost`; `self`: the host that was asked; empty: only `self`; `*`: any'),
  WS_TOKEN_CARRIERS: list('where a token may stand', ['query', 'header', 'protocol']),
  TRUSTED_PROXIES: list('CIDR list of proxies whose `X-Forwarded-For` is believed'),
  PROXY_PROTOCOL: choice('`v2`: believe the PROXY protocol header of trusted proxies', 'off', ['off', 'v2']),
  WS_UPGRADE_DEADLINE_MS: whole('time within which an upgrade is answered', 5000, 10, 600_000),
  WS_MAX_PENDING_UPGRADES: limit('upgrades under way at once, per process', 1000),
  WS_MAX_CONNECTIONS: limit('open connections per process', 50_000),
  WS_MAX_BUFFERED_BYTES: whole('unsent bytes of one socket before it is closed as too slow', 1_048_576, 1024, 1_073_741_824),
  WS_COMPRESSION: choice('permessage-deflate', 'off', ['off', 'shared']),
  WS_PING_INTERVAL_S: whole('time between two WebSocket pings of an open connection', 25, 1, 900),
  WS_IDLE_S: seconds('close after this time without a data frame; 0: never', 0, 0),
  WS_DRAIN_SECONDS: seconds('open connections are closed over this time when the process ends', 30),
  WS_WARM_UP: defaulted(Type.Boolean({ description: 'before `/readyz` says yes, run the code that takes connections for up to 2 s, so that it gets compiled: the first thousands then cost no more than later ones' }), true),
  WS_RESUME_KEY: changeable('key of resume passes, the same on all hosts, at least 32 bytes; two with a comma while it is changed: the first makes passes, both are accepted; unset: one is made and kept in Redis; without Redis there are no passes'),
  PUBLIC_URL: text('address by which clients reach the main port, such as `https://gateway.example`; proofs (DPoP) at `/v1/tickets` must name it; unset: scheme and `Host` of the request'),
  WS_TICKET_ADDRESS: choice('which address may use a ticket: `same`: the one that asked for it (IPv6: its /64); `any`: every address', 'same', ['same', 'any']),
  NODE_ID: text('name of this host in logs; random by default', { pattern: '^[A-Za-z0-9._-]{1,64}$' }),

  JWT_ISSUER: text('the exact `iss` of accepted tokens'),
  JWT_AUDIENCE: text('the `aud` that a token must have'),
  JWT_AUDIENCE_CLAIM: defaulted(claimName('claim that holds the audience of JWT_ISSUER and of ISSUERS, such as `client_id` for Cognito; presets have their own'), 'aud'),
  JWT_SCOPE_CLAIM: list('claims that hold the scopes, as text with spaces or as an array: the first that is there', ['scope', 'scp']),
  JWT_USER_CLAIM: defaulted(claimName('claim that names the user; tokens are revoked by `sub` all the same'), 'sub'),
  JWT_SESSION_CLAIM: list('claims that name the session, by which tokens are revoked: the first that is there', ['sid', 'session_id']),
  JWT_TYP: choice('`at+jwt`: only access tokens of RFC 9068, by their header and their claims', 'any', ['any', 'at+jwt']),
  JWT_ACR: list('accepted values of `acr`; unset: all, and tokens without it'),
  JWT_MAX_AUTH_AGE_S: Type.Integer({ description: 'longest time since the user signed in (`auth_time`), at an upgrade and a refresh; unset: no bound', minimum: 1, maximum: YEAR_S }),
  JWT_JWKS_URI: text('where the keys of JWT_ISSUER are, or, without JWT_ISSUER, those of the one preset; unset: OIDC discovery, or as the preset has it'),
  JWT_ALGORITHMS: list('accepted signature algorithms', ['RS256', 'ES256', 'EdDSA']),
  JWT_CLOCK_TOLERANCE_S: whole('accepted clock difference', 5, 0, 300),
  JWT_MAX_LIFETIME_S: Type.Integer({ description: 'a token that lives longer from `iat` to `exp` is invalid; unset: 86400, with the Supabase preset 604800', minimum: 1, maximum: YEAR_S }),
  JWT_CACHE_SIZE: whole('verified tokens remembered, per process', 20_000, 0, 10_000_000),
  JWT_INTROSPECTION_URI: text('where the issuer is asked whether a token is still active (RFC 7662); the issuer is that of JWT_ISSUER, else the only one'),
  JWT_INTROSPECTION_CLIENT_ID: text('client id for that'),
  JWT_INTROSPECTION_CLIENT_SECRET: secret('client secret for that'),
  JWT_INTROSPECT_S: seconds('how long an answer counts; it is asked about open connections again within this time', 30),
  JWT_INTROSPECT_PER_S: whole('questions a second at most, per process; where that is too low, the period gets longer', 50, 1, 10_000),
  KEYCLOAK_URL: text('Keycloak base URL, as the gateway reaches it: keys and introspection are there'),
  KEYCLOAK_ISSUER_URL: text('its base URL as tokens name it (`KC_HOSTNAME`); unset: as KEYCLOAK_URL'),
  KEYCLOAK_REALM: text('Keycloak realm', { pattern: '^[^/?#\\s\\ud800-\\udfff](?:[^/?#\\t\\n\\r\\ud800-\\udfff]{0,253}[^/?#\\s\\ud800-\\udfff])?$' }),
  KEYCLOAK_CLIENT_ID: text('must be in `aud`; or be `azp`, where `aud` is absent or nothing but `account`'),
  KEYCLOAK_CLIENT_SECRET: secret('client secret for introspection'),
  KEYCLOAK_INTROSPECT: flag('introspect tokens (RFC 7662), at upgrades and for as long as connections are open'),
  SUPABASE_URL: text('Supabase project URL, as the gateway reaches it'),
  SUPABASE_ISSUER: text('the exact `iss` of its tokens; unset: `<SUPABASE_URL>/auth/v1`'),
  SUPABASE_JWT_SECRET: secret('opt-in for legacy HS256 projects only, at least 32 bytes', 32),
  SUPABASE_ANON_KEY: secret('anon key, for the `supabase` authorizer'),
  SUPABASE_PUBLIC_TABLES: list(`those of ${RELATIONS} that are public on purpose, so that everybody with the anon key may see their rows; \`none\`: no table is; unset: those in which the first look sees rows`),
  ISSUERS: text('JSON array of further issuers: `[{name, issuer, audience, jwks_uri?, algorithms?, rights?, scope_claim?, audience_claim?, user_claim?, session_claim?, typ?, max_lifetime_s?, acr?, max_auth_age_s?, introspection_uri?, introspection_client_id?, introspection_client_secret?}]`', { maxLength: 65_536, secret: true }),
  OIDC_BACKCHANNEL_LOGOUT: defaulted(Type.Boolean({ description: '`POST /oidc/backchannel-logout` hears issuers\' logout tokens; `false`: it is 404' }), true),
  OIDC_LOGOUT_AUDIENCES: list('clients whose logouts count, as `aud` of the logout token names them; unset: the audience or client id; `*`: any client of the issuer, for tokens with `sid`'),
  SSF_AUDIENCE: text('the `aud` of security event tokens for `POST /ssf/events`; unset: it is 404'),
  SSF_AUTHORIZATION: secret('what the `Authorization` header of `POST /ssf/events` must be, scheme included; unset: anything'),
  JWKS_ALLOW_HTTP: flag('allow http issuers that are not on loopback'),
  JWKS_MAX_AGE_S: seconds('keys older than this are refreshed', 600),
  JWKS_COOLDOWN_S: seconds('least time between two fetches; before the first key it grows from a second to this', 30),
  JWKS_MAX_STALE_S: seconds('how long known keys go on past their age while the issuer is away', 3600),
  JWKS_TIMEOUT_MS: whole('time for one fetch of the keys', 5000, 10, 120_000),
  ISSUER_CA_FILE: text('PEM file of authorities that may sign issuers\' certificates, beside the usual ones'),
  HTTPS_PROXY: variable('proxy by which https issuers are asked for keys, discovery and introspection'),
  HTTP_PROXY: variable('the same for http issuers, and for https ones without HTTPS_PROXY'),
  NO_PROXY: lowerCase(text('hosts of issuers that are asked directly: names with all below them, `host:port`, or `*`')),

  WS_IP_CONNECTIONS: limit('connection attempts per address and window', 10),
  WS_IP_WINDOW_S: seconds('that window', 60),
  WS_USER_CONNECTIONS: limit('open sockets per user', 5),
  WS_USER_LEASE_S: seconds('a dead process\'s sockets stop counting within this time', 30),
  WS_IP_MESSAGES: limit('messages per address and window', 100),
  WS_MESSAGE_WINDOW_S: seconds('that window', 60),
  WS_SUBSCRIBES_PER_S: limit('subscribe frames a second, per connection', 10),
  WS_MAX_FRAME_BYTES: whole('largest message', 1_048_576, 1, 67_108_864),
  WS_MAX_FILTER_IDS: whole('ids in one filter list', 50, 1, 1000),
  WS_BAN_AFTER: whole('an address that breaks its connection or message limit this many times within `WS_IP_WINDOW_S` is banned; 0: never', 0, 0, MAX_LIMIT),
  WS_BAN_S: seconds('how long such a ban lasts', 300),
  WS_IP_ALLOW_LIST: list('CIDR list exempt from the address limits'),
  WS_LIMITS_MODE: choice('`dry-run`: decide, log and count, but let through', 'enforce', ['enforce', 'dry-run']),
  WS_LIMITS_ON_REDIS_DOWN: choice('what the limits do while Redis is away', 'local', ['local', 'open', 'closed']),
  REDIS_URL: text('Redis; unset: limits in this process', { secret: true }),
  REDIS_CLUSTER_URLS: list('nodes of a Redis Cluster, instead of REDIS_URL'),
  REDIS_SENTINELS: list('`host:port` of Sentinels, which name the master; REDIS_URL then gives user, password, database and TLS only'),
  REDIS_SENTINEL_MASTER: text('the name under which they watch it', { pattern: '^[A-Za-z0-9._-]{1,128}$' }),
  REDIS_SENTINEL_PASSWORD: secret('password of the Sentinels themselves; unset: they want none'),
  REDIS_KEY_PREFIX: defaulted(text('prefix of keys, channels and streams', { pattern: '^[A-Za-z0-9._:-]{0,64}$' }), ''),

  WS_AUTHORIZER: choice('who decides what a user may see', 'claims', ['claims', 'postgres', 'supabase']),
  WS_ACCESS_ISSUER: list(`with several issuers: names of those whose claims ${CLAIMS} count (\`rights: true\` in ISSUERS does the same); with a database the one whose users it knows`),
  DATABASE_URL: text('Postgres, for the `postgres` authorizer; parameters: `sslmode`, `sslrootcert`, `application_name`, `options`', { secret: true }),
  DATABASE_CA_FILE: text('PEM file of authorities that may sign its certificate, as `sslrootcert` in DATABASE_URL; without an `sslmode` there, its name is verified as well'),
  WS_PG_ROLE: defaulted(text('database role of every check', { pattern: '^[A-Za-z_][A-Za-z0-9_]{0,62}$' }), 'authenticated'),
  ...mapKindsBy('setting', ({ claim, relation }) => defaulted(text(`table or view of ${claim}, as \`schema.name\``, RELATION), relation)),
  WS_ACCESS_RECHECK_S: seconds('how often rights of open connections are checked again', 60),
  WS_INBOUND_MAX: limit('entries of the inbound stream before sending is refused', 100_000),
  WS_INBOUND_MAX_BYTES: whole('bytes of data of all users that may wait in it; beyond that: `overloaded`', 268_435_456, 1, MAX_INBOUND_BYTES),
  WS_INBOUND_USER_BYTES: whole('bytes of data of one user that may wait in it; beyond that: `too_many_requests`', 4_194_304, 1, MAX_INBOUND_BYTES),

  WS_HISTORY_EVENTS: whole('events kept of each topic for those who come back; 0: none', 200, 0, MAX_HISTORY_EVENTS),
  ...mapKindsBy('historySetting', ({ claim }) =>
    Type.Integer({ description: `the same for topics of ${claim}; unset: as \`WS_HISTORY_EVENTS\``, ...HISTORY_EVENTS })),
  WS_HISTORY_EVENTS_USER: Type.Integer({ description: 'the same for users\' own topics; unset: as `WS_HISTORY_EVENTS`', ...HISTORY_EVENTS }),
  WS_HISTORY_S: seconds('how long an event is kept, and for how long the `id` of a publication counts', 300),
  WS_HISTORY_BYTES: whole('bytes of a topic\'s events together; a larger event is delivered and not kept', 1_048_576, 1, MAX_HISTORY_BYTES),
  WS_PLAIN_USER_PUBLISH: flag('for back ends that PUBLISH on `ws:topic:user:…` themselves: the gateway then subscribes for each user who connects, which makes an upgrade cost more'),
  WS_HISTORY_META_S: seconds('how long positions of a topic are remembered after its last event or listener; at least `WS_HISTORY_S`, and 60', 86_400),

  ALLOW_INSECURE_WS: flag('break-glass: let connections in without a token'),
  ALLOW_INSECURE_WS_UNTIL: text('ISO time at which break-glass ends, at most 24 h ahead'),

  OTEL_EXPORTER_OTLP_ENDPOINT: text('OpenTelemetry collector, such as `http://127.0.0.1:4318`: a span of each upgrade and each publication goes there, by OTLP over HTTP; unset: no spans'),
  WS_TRACE_EVENTS: flag('`event` frames carry, as `trace`, the `traceparent` of the request that published them'),

  LOG_LEVEL: choice('lowest level that is written', 'info', ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']),
  LOG_FILE: text('also write the log there, rotated by size and day'),
  LOG_FILE_MAX_MB: whole('size at which the log file is rotated', 100, 1, 100_000),
  LOG_FILE_KEEP: whole('rotated log files kept', 14, 1, 10_000)
} as const satisfies Record<string, TSchema>

export type SettingName = keyof typeof SETTINGS

/** The one schema of all settings. */
export const SettingsSchema = Type.Object(
  Object.fromEntries(Object.entries(SETTINGS).map(([name, schema]) =>
    [name, 'default' in schema ? schema : Type.Optional(schema)])))

type Value<N extends SettingName> = Type.Static<(typeof SETTINGS)[N]>
type Defaulted = { [N in SettingName]: (typeof SETTINGS)[N] extends { readonly default: unknown } ? N : never }[SettingName]

/** Values by name; those with a default are always there. */
export type SettingValues =
  { readonly [N in Defaulted]: Value<N> } & { readonly [N in Exclude<SettingName, Defaulted>]: Value<N> | undefined }
