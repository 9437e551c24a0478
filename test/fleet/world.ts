import { join } from 'node:path'
import { Redis, type Cluster } from '#ioredis'
import type { Test } from 'tap'
import WebSocket from 'ws'
import { connect, connectRefused, freshAddress, type TestClient } from '../support/client.js'
import { startGateway, trust, type Lifetime, type TestGateway } from '../support/gateway.js'
import { startIssuer, type TestIssuer } from '../support/issuer.js'
import { startRedis, startRedisCluster } from '../support/redis.js'
import { ensureBuildBefore } from './build-before.js'

export type Build = 'before' | 'this'
export type Topology = 'one Redis' | 'a Redis Cluster'

/** Each way in which two builds may work together: who is asked, and in whom the effect is seen. */
export const DIRECTIONS = [{ asked: 'before', answering: 'this' }, { asked: 'this', answering: 'before' }] as const
export type Direction = typeof DIRECTIONS[number]

export const ADMIN_TOKEN = 'an-admin-token-of-at-least-32-bytes'
export const PUBLISH_KEY = 'a-publish-key-of-at-least-32-bytes'
export const LIMITS = { addressConnections: 10, userConnections: 5, messages: 20, inbound: 6 }

/** Only settings that both builds know. */
const SETTINGS = {
  ADMIN_TOKEN,
  PUBLISH_KEY,
  WS_UPGRADE_DEADLINE_MS: '60000',
  WS_IP_CONNECTIONS: String(LIMITS.addressConnections),
  WS_USER_CONNECTIONS: String(LIMITS.userConnections),
  WS_IP_MESSAGES: String(LIMITS.messages),
  WS_INBOUND_MAX: String(LIMITS.inbound)
}

/** One Redis, one issuer, and processes of both builds at will. */
export interface World {
  readonly issuer: TestIssuer
  /** Looks into Redis, and publishes as a back end does. */
  readonly redis: Redis | Cluster
  /** Redis ends, and comes back empty. */
  emptyRedis (): Promise<void>
  start (t: Lifetime, build: Build, more?: Readonly<Record<string, string>>): Promise<TestGateway>
}

/** Two processes, one of each build, for one behaviour. */
export interface Between {
  readonly world: World
  readonly direction: Direction
  readonly asked: TestGateway
  readonly answering: TestGateway
}

/** Something that holds for a fleet, whichever builds its processes are of. */
export interface Behaviour {
  readonly title: string
  hold (t: Test, between: Between): Promise<void>
}

/** A behaviour that starts its own processes in a world of its own. */
export interface LonelyBehaviour {
  readonly title: string
  hold (t: Test, between: Pick<Between, 'world' | 'direction'>): Promise<void>
}

export async function createWorld (t: Test, topology: Topology): Promise<World> {
  const programs = { before: join(ensureBuildBefore(), 'dist/main.js'), this: 'dist/main.js' }
  const [issuer, servers] = await Promise.all([startIssuer(t), topology === 'one Redis' ? startOne(t) : startCluster(t)])
  return {
    issuer,
    redis: servers.redis,
    emptyRedis: servers.empty,
    async start (life, build, more = {}) {
      // As the guide says: processes of the build before publish to users' topics by PUBLISH.
      const env = { ...trust(issuer), ...SETTINGS, WS_PLAIN_USER_PUBLISH: 'true', ...servers.env, ...more }
      return await startGateway(life, env, { program: programs[build] })
    }
  }
}

interface Servers { readonly redis: Redis | Cluster, readonly env: Readonly<Record<string, string>>, empty (): Promise<void> }

async function startOne (t: Test): Promise<Servers> {
  const redis = await startRedis(t)
  return { redis: redis.client, env: { REDIS_URL: redis.url }, empty: redis.restart }
}

async function startCluster (t: Test): Promise<Servers> {
  const cluster = await startRedisCluster(t)
  const redis = new Redis.Cluster([...cluster.urls])
  redis.on('error', () => { /* the test ends its servers while this is open */ })
  t.teardown(() => { redis.disconnect() })
  return {
    redis,
    env: { REDIS_CLUSTER_URLS: cluster.urls.join(',') },
    empty: async () => { await Promise.all(cluster.nodes.map(async (node) => { await node.client.flushall() })) }
  }
}

let users = 0
/** A user whom no other behaviour knows. */
export function freshUser (): string { return `user-${++users}` }

export interface Asking { readonly from?: string, readonly query?: string }

/** Opens a connection and takes its `welcome`. */
export async function open (t: Lifetime, gateway: TestGateway, token: string, { from = freshAddress(), query = '' }: Asking = {}): Promise<TestClient> {
  const client = await connect(t, gateway, `/ws?token=${token}${query}`, { from })
  await client.nextOf('welcome')
  return client
}

/** Expects a refusal: its name. */
export async function refusal (t: Lifetime, gateway: TestGateway, token: string, { from = freshAddress(), query = '' }: Asking = {}): Promise<unknown> {
  return (await connectRefused(t, gateway, `/ws?token=${token}${query}`, { from })).body['error']
}

/** What one attempt leads to: `open`, or the name of the refusal. What opens is closed again. */
export async function attempt (t: Lifetime, gateway: TestGateway, token: string, { from = freshAddress(), query = '' }: Asking = {}): Promise<unknown> {
  const socket = new WebSocket(gateway.url(`/ws?token=${token}${query}`), { localAddress: from })
  t.teardown(() => { socket.terminate() })
  return await new Promise((resolve, reject) => {
    socket.once('error', reject)
    socket.once('open', () => { socket.close() })
    socket.once('close', () => { resolve('open') })
    socket.once('unexpected-response', (_request, response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (part: string) => { body += part })
      response.on('end', () => {
        resolve((JSON.parse(body) as { error: unknown }).error)
        socket.on('error', () => { /* it is ended before it was open */ })
        socket.terminate()
      })
    })
  })
}

/** An operator's order: its status. */
export async function order (gateway: TestGateway, method: string, path: string, body?: unknown): Promise<number> {
  const response = await gateway.admin(path, {
    method, headers: { Authorization: `Bearer ${ADMIN_TOKEN}` }, ...(body === undefined ? {} : { body: JSON.stringify(body) })
  })
  await response.arrayBuffer()
  return response.status
}
