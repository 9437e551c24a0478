import { createHmac, generateKeyPairSync, sign as signBytes, constants, type KeyObject } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { IssuerConfig } from '../../src/tokens/issuer-config.js'
import { takeRsaKey, type KeyPair } from './rsa-key.js'

export type SigningAlgorithm = 'RS256' | 'RS384' | 'PS256' | 'ES256' | 'ES384' | 'ES512' | 'EdDSA'
export type Endpoint = 'jwks' | 'discovery' | 'introspection'
/** How an endpoint answers; `after` gives, once the promise has settled, the answer that was right at the request. */
export type Behaviour = 'normal' | 'hang' | 'drip' | 'html' | 'redirect' | 'huge' | 'status_401' | 'status_500' | 'drop' |
  { readonly body: unknown } | { readonly after: Promise<void> }

export interface IssuerKey {
  readonly kid: string
  readonly alg: SigningAlgorithm
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
  /** What the key set publishes for this key. */
  readonly jwk: Record<string, unknown>
}

export interface SignOptions {
  /** Signs with this published or removed key; without it, with the newest one. */
  readonly key?: IssuerKey
  /** More header members, or other values; `undefined` leaves one out. */
  readonly header?: Record<string, unknown>
}

export interface IssuerOptions {
  readonly preset?: IssuerConfig['preset']
  readonly name?: string
  readonly realm?: string
  readonly audience?: string
  readonly algorithm?: SigningAlgorithm
  /** Finds the keys by the discovery document. */
  readonly discover?: boolean
}

export interface TestIssuer {
  readonly name: string
  /** The server's origin; `issuer` is the exact `iss`. */
  readonly url: string
  readonly issuer: string
  readonly jwksUri: string
  readonly introspectionUri: string
  readonly audience: string
  /** Requests so far. */
  readonly requests: Readonly<Record<Endpoint, number>>
  /** Bodies and `Authorization` of the introspection requests, oldest first. */
  readonly introspected: ReadonlyArray<{ readonly body: string, readonly authorization: string }>
  /** Published keys, oldest first: add, remove, reorder or replace at will. */
  readonly keys: IssuerKey[]
  /** More published members, whatever they are. */
  readonly extraJwks: unknown[]
  /** Tokens that introspection calls inactive. */
  readonly inactive: Set<string>
  newestKey (): IssuerKey
  /** Publishes one more key and signs with it from now on. */
  addKey (options?: { kid?: string, alg?: SigningAlgorithm }): IssuerKey
  /** Signs a good access token; a claim given as `undefined` is left out. */
  sign (claims?: Record<string, unknown>, options?: SignOptions): string
  behave (endpoint: Endpoint | 'all', behaviour: Behaviour): void
  config (overrides?: Partial<IssuerConfig>): IssuerConfig
  close (): Promise<void>
}

interface Lifetime { teardown (fn: () => unknown): unknown }

/** Starts a real HTTP issuer on a free loopback port; it ends with the test. */
export async function startIssuer (t: Lifetime, options: IssuerOptions = {}): Promise<TestIssuer> {
  const behaviours: Record<Endpoint, Behaviour> = { jwks: 'normal', discovery: 'normal', introspection: 'normal' }
  const requests: Record<Endpoint, number> = { jwks: 0, discovery: 0, introspection: 0 }
  const introspected: Array<{ body: string, authorization: string }> = []
  const keys: IssuerKey[] = []
  const extraJwks: unknown[] = []
  const inactive = new Set<string>()
  const drips = new Set<NodeJS.Timeout>()
  const server = createServer((req, res) => {
    receive(req, res).catch(() => { res.destroy() })
  })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const preset = options.preset ?? 'oidc'
  const paths = pathsOf(preset, options.realm ?? 'demo')
  const issuer = url + paths.issuer
  const name = options.name ?? 'main'
  const audience = options.audience ?? (preset === 'supabase' ? 'authenticated' : 'portcullis')

  async function receive (req: IncomingMessage, res: ServerResponse): Promise<void> {
    const [path = '', query] = (req.url ?? '').split('?')
    const endpoint = endpointOf(path)
    if (endpoint === null) return answer(res, 404, 'text/plain', 'no such page')
    requests[endpoint]++
    const body = await readBody(req)
    if (endpoint === 'introspection') introspected.push({ body, authorization: req.headers.authorization ?? '' })
    const behaviour = query === 'followed' ? 'normal' : behaviours[endpoint]
    const document = JSON.stringify(documentOf(endpoint, body))
    if (typeof behaviour === 'string') return misbehave(res, behaviour, document, drips)
    if ('body' in behaviour) return answer(res, 200, 'application/json', JSON.stringify(behaviour.body))
    await behaviour.after
    answer(res, 200, 'application/json', document)
  }

  function endpointOf (path: string): Endpoint | null {
    if (path === paths.jwks) return 'jwks'
    if (path === paths.issuer + '/.well-known/openid-configuration') return 'discovery'
    return path === paths.introspection ? 'introspection' : null
  }

  function documentOf (endpoint: Endpoint, body: string): unknown {
    if (endpoint === 'jwks') return { keys: [...keys.map(key => key.jwk), ...extraJwks] }
    if (endpoint === 'discovery') return { issuer, jwks_uri: url + paths.jwks }
    return { active: !inactive.has(new URLSearchParams(body).get('token') ?? '') }
  }

  const close = async (): Promise<void> => {
    for (const drip of drips) clearInterval(drip)
    server.closeAllConnections()
    await new Promise<void>(resolve => { server.close(() => { resolve() }) })
  }
  t.teardown(close)

  const made: TestIssuer = {
    name,
    url,
    issuer,
    jwksUri: url + paths.jwks,
    introspectionUri: url + paths.introspection,
    audience,
    requests,
    introspected,
    keys,
    extraJwks,
    inactive,
    newestKey: () => {
      const key = keys.at(-1)
      if (key === undefined) throw new Error('no key is left to sign with')
      return key
    },
    addKey: (wanted = {}) => {
      const key = generateKey(wanted.alg ?? options.algorithm ?? 'RS256', wanted.kid ?? `key-${keys.length + 1}`)
      keys.push(key)
      return key
    },
    sign: (claims = {}, signing = {}) => {
      const key = signing.key ?? made.newestKey()
      const nowS = Math.floor(Date.now() / 1000)
      const standard = { iss: issuer, aud: audience, sub: 'alice', iat: nowS, exp: nowS + 300 }
      return signToken({ alg: key.alg, typ: 'JWT', kid: key.kid, ...signing.header }, { ...standard, ...claims }, key)
    },
    behave: (endpoint, behaviour) => {
      const all: Endpoint[] = ['jwks', 'discovery', 'introspection']
      for (const each of endpoint === 'all' ? all : [endpoint]) behaviours[each] = behaviour
    },
    config: (overrides = {}) => ({
      name,
      preset,
      issuer,
      audience: [audience],
      jwksUri: options.discover === true ? null : url + paths.jwks,
      algorithms: ['RS256', 'ES256', 'EdDSA'],
      hmacSecret: null,
      introspection: null,
      ...overrides
    }),
    close
  }
  made.addKey()
  return made
}

/** A key pair that this process has not used yet, and the public JWK that names it. */
export function generateKey (alg: SigningAlgorithm, kid: string, modulusLength = 2048): IssuerKey {
  const { privateKey, publicKey } = generatePair(alg, modulusLength)
  return { kid, alg, privateKey, publicKey, jwk: { ...publicKey.export({ format: 'jwk' }), kid, alg, use: 'sig' } }
}

function generatePair (alg: SigningAlgorithm, modulusLength: number): KeyPair {
  if (alg === 'EdDSA') return generateKeyPairSync('ed25519')
  const namedCurve = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' }[alg as string]
  if (namedCurve !== undefined) return generateKeyPairSync('ec', { namedCurve })
  return takeRsaKey(modulusLength)
}

/** Signs any header over any payload, true or not; a string is taken as the JSON text itself. */
export function signToken (header: unknown, payload: unknown, key: Pick<IssuerKey, 'alg' | 'privateKey'>): string {
  const input = `${encodeSegment(header)}.${encodeSegment(payload)}`
  return `${input}.${signInput(input, key).toString('base64url')}`
}

/** The same with HMAC and a secret of the attacker's choice. */
export function signHmacToken (header: unknown, payload: unknown, secret: string | Buffer): string {
  const input = `${encodeSegment(header)}.${encodeSegment(payload)}`
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`
}

/** One base64url segment: JSON of a value, or the given text or bytes as they are. */
export function encodeSegment (value: unknown): string {
  if (Buffer.isBuffer(value)) return value.toString('base64url')
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
}

function signInput (input: string, key: Pick<IssuerKey, 'alg' | 'privateKey'>): Buffer {
  const bytes = Buffer.from(input)
  const hash = key.alg === 'EdDSA' ? null : `sha${key.alg.slice(2)}`
  if (key.alg.startsWith('PS')) {
    const padding = constants.RSA_PKCS1_PSS_PADDING
    return signBytes(hash, bytes, { key: key.privateKey, padding, saltLength: constants.RSA_PSS_SALTLEN_DIGEST })
  }
  return signBytes(hash, bytes, { key: key.privateKey, dsaEncoding: 'ieee-p1363' })
}

interface IssuerPaths { readonly issuer: string, readonly jwks: string, readonly introspection: string }

function pathsOf (preset: IssuerConfig['preset'], realm: string): IssuerPaths {
  if (preset === 'supabase') {
    return { issuer: '/auth/v1', jwks: '/auth/v1/.well-known/jwks.json', introspection: '/auth/v1/introspect' }
  }
  if (preset === 'oidc') return { issuer: '', jwks: '/jwks.json', introspection: '/introspect' }
  const base = `/realms/${realm}/protocol/openid-connect`
  return { issuer: `/realms/${realm}`, jwks: `${base}/certs`, introspection: `${base}/token/introspect` }
}

function answer (res: ServerResponse, status: number, type: string, body: string): void {
  res.writeHead(status, { 'content-type': type })
  res.end(body)
}

function misbehave (res: ServerResponse, behaviour: string, document: string, drips: Set<NodeJS.Timeout>): void {
  if (behaviour === 'normal') return answer(res, 200, 'application/json', document)
  if (behaviour === 'html') return answer(res, 200, 'text/html', '<!doctype html><title>Sign in</title>')
  if (behaviour === 'huge') return answer(res, 200, 'application/json', document + ' '.repeat(50 * 1024 * 1024))
  if (behaviour === 'status_401') return answer(res, 401, 'application/json', '{"error":"invalid_client"}')
  if (behaviour === 'status_500') return answer(res, 500, 'application/json', document)
  if (behaviour === 'drop') { res.destroy(); return }
  if (behaviour === 'redirect') {
    res.writeHead(302, { location: '?followed' })
    res.end()
  }
  if (behaviour === 'drip') {
    res.writeHead(200, { 'content-type': 'application/json' })
    const drip = setInterval(() => { res.write(' ') }, 10)
    drips.add(drip)
    res.on('close', () => { clearInterval(drip) })
  }
}

async function readBody (req: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of req) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}
