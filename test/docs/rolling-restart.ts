import { readFileSync } from 'node:fs'
import type { Test } from 'tap'
import WebSocket from 'ws'
import { connect } from '../../packages/client/src/connect.js'
import type { ClientState } from '../../packages/client/src/client-state.js'
import { startRestartableGateway, type RestartableGateway } from '../client/restartable-gateway.js'
import { freshAddress } from '../support/client.js'
import { startIssuer, type TestIssuer } from '../support/issuer.js'
import { startRedis } from '../support/redis.js'
import { until } from '../support/until.js'
import type { ThroughProxy } from './front-proxy.js'

const CLIENTS = 200

interface Traveller {
  readonly seen: ReadonlyArray<{ readonly state: ClientState, readonly atMs: number }>
}

/** One client of the product, from an address of its own. */
function setOut (t: Test, { base, certFile }: Pick<ThroughProxy, 'base' | 'certFile'>, issuer: TestIssuer, sub: string): Traveller {
  const options = { localAddress: freshAddress(), ...(certFile === undefined ? {} : { ca: readFileSync(certFile) }) }
  class SocketFrom extends WebSocket {
    constructor (url: string, protocols: string[]) { super(url, protocols, options) }
  }
  const client = connect({ WebSocket: SocketFrom, url: `${base}/ws`, token: () => issuer.sign({ sub }), timeoutMs: 60_000 })
  const seen: Array<{ state: ClientState, atMs: number }> = []
  client.on('state', (state) => { seen.push({ state, atMs: performance.now() }) })
  t.teardown(() => { client.close() })
  return { seen }
}

const isOpen = ({ seen }: Traveller): boolean => seen.at(-1)?.state.status === 'open'

/** What a client waited for that was not the restart it had been told of: the name, the code, and the way that led there. */
const surprises = ({ seen }: Traveller): string[] => seen.flatMap(({ state, atMs }, n) => {
  if (state.status !== 'waiting' || (state.because.name === 'restarting' && state.because.code === 1012)) return []
  const way = seen.slice(0, n).map(({ state, atMs }) => `${state.status} at ${Math.round(atMs)}`).join(', ')
  return [`${state.because.name} ${String(state.because.code)} at ${Math.round(atMs)} after ${way}`]
})

/** The longest time in ms from a close to the next open. */
function longestAwayMs ({ seen }: Traveller): number {
  let longestMs = 0
  let closedAtMs: number | null = null
  for (const { state, atMs } of seen) {
    if (state.status === 'waiting') closedAtMs ??= atMs
    if (state.status !== 'open') continue
    if (closedAtMs !== null) longestMs = Math.max(longestMs, atMs - closedAtMs)
    closedAtMs = null
  }
  return longestMs
}

const toldMs = ({ seen }: Traveller): number[] => seen.flatMap(({ state }) => state.status === 'waiting' ? [state.retryInMs] : [])

async function restart (gateway: RestartableGateway): Promise<void> {
  gateway.current().signal('SIGTERM')
  await gateway.current().exited
  await gateway.start()
  await until('it is ready', async () => (await gateway.current().admin('/readyz').catch(() => null))?.status === 200)
}

/**
 * Restarts two gateways in place, one after the other, behind a proxy that 200 clients came through. Each client is told of
 * each restart, and is back with its first attempt: nobody is dropped without a word, refused, or sent to the one that drains.
 */
export async function rollThrough (t: Test, startProxy: (ports: readonly number[]) => Promise<Pick<ThroughProxy, 'base' | 'certFile'>>): Promise<void> {
  const [issuer, redis] = await Promise.all([startIssuer(t), startRedis(t)])
  const settings = { REDIS_URL: redis.url, TRUSTED_PROXIES: '127.0.0.1/32', WS_DRAIN_SECONDS: '2' }
  const gateways = await Promise.all([1, 2].map(async () => await startRestartableGateway(t, issuer, settings)))
  const proxy = await startProxy(gateways.map(gateway => gateway.current().port))
  const clients = Array.from({ length: CLIENTS }, (_, n) => setOut(t, proxy, issuer, `user-${n}`))
  await until('everybody is in', () => clients.every(isOpen))
  for (const gateway of gateways) await restart(gateway)
  await until('everybody is back', () => clients.every(isOpen))
  t.same(clients.flatMap(surprises), [], 'whoever left had been told, and came in with the first attempt')
  t.ok(clients.every(client => toldMs(client).every(ms => ms < 4000)), 'nobody was told to stay away for longer')
  t.ok(clients.filter(client => toldMs(client).length > 0).length > CLIENTS / 2, 'most had to move')
  t.comment(`away for ${Math.round(Math.max(...clients.map(longestAwayMs)))} ms at most`)
}
