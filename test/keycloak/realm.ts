import { randomBytes } from 'node:crypto'
import type { Lifetime } from '../support/gateway.js'
import { readGuideFile } from '../docs/guide-commands.js'
import { PROJECT } from '../support/root.js'

export type Json = Readonly<Record<string, unknown>>

/** Keycloak's admin REST interface, below `/admin/realms`. */
export interface Admin { call (method: string, path: string, body?: unknown): Promise<unknown> }

export interface Tokens { readonly access_token: string, readonly refresh_token?: string, readonly id_token?: string }

/** One realm of the server that the runner started. */
export interface Realm {
  readonly name: string
  /** The server's address. */
  readonly server: string
  /** The exact `iss` when it is asked here. */
  readonly issuer: string
  /** The settings of a gateway that trusts it. */
  readonly settings: Readonly<Record<string, string>>
  /** Asks the token endpoint; rejects when it refuses. */
  request (fields: Readonly<Record<string, string>>, headers?: Readonly<Record<string, string>>): Promise<Tokens>
  /** Tokens of alice by password, through the client `try-it`. */
  logIn (fields?: Readonly<Record<string, string>>): Promise<Tokens>
  /** The admin interface, below this realm. */
  call (method: string, path: string, body?: unknown): Promise<unknown>
  /** The id of a client in the admin interface. */
  clientId (name: string): Promise<string>
  /** Makes a client with the scope `portcullis` that logs in by itself (`secret`) and by password; more settings on top. */
  addClient (name: string, more?: Json): Promise<void>
}

export const SECRET = 'a-secret-of-a-test'

async function load<T> (script: string): Promise<T> {
  return await import(new URL(`scripts/keycloak/${script}`, PROJECT).href) as T
}

/** Where the runner's server is, and who administers it. Throws in a run without one. */
export async function openServer (): Promise<{ readonly url: string, readonly admin: Admin }> {
  const { KEYCLOAK_TEST_URL: url, KEYCLOAK_TEST_PASSWORD: password = 'admin' } = process.env
  if (url === undefined) throw new Error('run by: npm run test:keycloak')
  const { createAdmin } = await load<{ createAdmin (url: string, user: string, password: string): Promise<Admin> }>('admin.js')
  return { url, admin: await createAdmin(url, 'admin', password) }
}

/** The guide's file, for a realm of another name. */
export function guideRealm (name: string): Json {
  const text = readGuideFile('keycloak-realm.json').replaceAll('/realms/portcullis/', `/realms/${encodeURIComponent(name)}/`)
    .replaceAll('default-roles-portcullis', `default-roles-${name}`)
  return { ...JSON.parse(text) as Json, realm: name }
}

/** Another name each time: realms of runs side by side do not meet. */
export const freshName = (kind: string): string => `${kind}-${randomBytes(4).toString('hex')}`

/** Makes a realm: of the guide's file, or by the REST interface alone with alice as its user. It is deleted after the test. */
export async function makeRealm (t: Lifetime, { name = freshName('realm'), by = 'file' }: { name?: string, by?: 'file' | 'rest' } = {}): Promise<Realm> {
  const { url, admin } = await openServer()
  const path = `/${encodeURIComponent(name)}`
  if (by === 'file') await admin.call('POST', '', guideRealm(name))
  else {
    const made = await load<{ makeRealm (admin: Admin, name: string): Promise<void>, ALICE: Json }>('make-realm.js')
    await made.makeRealm(admin, name)
    await admin.call('POST', `${path}/users`, made.ALICE)
  }
  t.teardown(async () => { await admin.call('DELETE', path) })
  return describeRealm(url, name, async (method, below, body) => await admin.call(method, path + below, body))
}

function describeRealm (server: string, name: string, call: Realm['call']): Realm {
  const issuer = `${server}/realms/${encodeURIComponent(name)}`
  const request: Realm['request'] = async (fields, headers = {}) => {
    const response = await fetch(`${issuer}/protocol/openid-connect/token`, { method: 'POST', body: new URLSearchParams(fields), headers })
    if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`)
    return await response.json() as Tokens
  }
  const clientId = async (client: string): Promise<string> => ((await call('GET', `/clients?clientId=${client}`)) as Array<{ id: string }>)[0]?.id ?? ''
  return {
    name,
    server,
    issuer,
    settings: { KEYCLOAK_URL: server, KEYCLOAK_REALM: name, KEYCLOAK_CLIENT_ID: 'portcullis' },
    request,
    logIn: async (fields = {}) => await request({
      grant_type: 'password', client_id: 'try-it', username: 'alice', password: 'alice-tries-it', scope: 'openid ws:send', ...fields
    }),
    call,
    clientId,
    async addClient (client, more = {}) {
      await call('POST', '/clients', {
        clientId: client, secret: SECRET, publicClient: false, serviceAccountsEnabled: true, directAccessGrantsEnabled: true, ...more
      })
      const scopes = await call('GET', '/client-scopes') as Array<{ id: string, name: string }>
      const path = `/clients/${await clientId(client)}`
      const idOf = (name: string): string => scopes.find(each => each.name === name)?.id ?? ''
      await call('PUT', `${path}/default-client-scopes/${idOf('portcullis')}`)
      await call('PUT', `${path}/optional-client-scopes/${idOf('ws:send')}`)
    }
  }
}

/** Lets one user log in again and again: to Keycloak a log-in that comes while the one before is still being noted is an attack. */
export async function allowRush (realm: Realm): Promise<void> {
  await realm.call('PUT', '', { ...await realm.call('GET', '') as Json, bruteForceProtected: false })
}

/** One part of a token, read. */
export const partOf = (token: string, part: 0 | 1): Json => JSON.parse(Buffer.from(token.split('.')[part] ?? '', 'base64url').toString()) as Json
export const claimsOf = (token: string): Json => partOf(token, 1)
