import { connect } from 'node:net'
import type { Test } from 'tap'
import { freshAddress } from '../support/client.js'
import { startGateway, trust, type TestGateway } from '../support/gateway.js'
import { readMetric } from '../support/held-sockets.js'
import { startIssuer } from '../support/issuer.js'
import { upgradeHead } from '../support/raw-socket.js'
import { startRedis, type TestRedis } from '../support/redis.js'
import { until } from '../support/until.js'

const IN_FLIGHT = 256
const USERS = 1000
const TOPICS = 20
const RAISED = { WS_IP_CONNECTIONS: '100000', WS_USER_CONNECTIONS: '100000' }
/** An empty ping, then a close frame with 1000, both with a mask of zeros. */
const PING = Buffer.from([0x89, 0x80, 0, 0, 0, 0])
const CLOSE = Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xE8])
const EMPTY_PONG = '\x8A\0'

/** What became of one client: let in, and then it either had an answer to its ping or was dropped. */
interface Visit { readonly connectionId: string | null, readonly answered: boolean }

/** Opens a connection, waits for `welcome` and for the answer to a ping, then closes. Resolves when the connection has ended. */
async function visit (port: number, head: string, from: string): Promise<Visit> {
  return await new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', localAddress: from, noDelay: true })
    let text = ''
    let connectionId: string | null = null
    let answered = false
    socket.setEncoding('latin1')
    socket.on('data', (part: string) => {
      text += part
      if (connectionId === null) {
        connectionId = /"connection_id":"([^"]+)"/.exec(text)?.[1] ?? null
        if (connectionId !== null) socket.write(PING)
      } else if (!answered && text.includes(EMPTY_PONG)) {
        answered = true
        socket.end(CLOSE)
      }
    })
    socket.on('error', () => { /* what came before it is what counts */ })
    socket.on('close', () => { resolve({ connectionId, answered }) })
    socket.write(head)
  })
}

/** The connection ids in the lines of one event, in order. */
const idsIn = (gateway: TestGateway, event: string): string[] =>
  gateway.log.filter(line => line.event === event).map(line => String(line['connection_id'])).toSorted()

async function waitUntilNothingIsLeft (gateway: TestGateway, redis: TestRedis): Promise<void> {
  await until('no connection is left', async () => await readMetric(gateway, 'portcullis_connections') === 0)
  await until('no lease is left', async () => (await redis.client.keys('ws:ratelimit:user:*')).length === 0)
}

/** Lets many clients into a gateway just started, 256 at a time, with 20 long ids in their URLs, and checks that it keeps each. */
export async function playUpgradeStorm (t: Test, upgrades: number): Promise<void> {
  const [redis, issuer] = await Promise.all([startRedis(t), startIssuer(t, { algorithm: 'ES256' })])
  const gateway = await startGateway(t, { ...trust(issuer), ...RAISED, REDIS_URL: redis.url, WS_MAX_PENDING_UPGRADES: '1000' })
  const ids = Array.from({ length: TOPICS }, (_, n) => `agent-with-an-id-as-long-as-a-uuid-${n}`)
  const heads = Array.from({ length: USERS }, (_, n) => {
    const token = issuer.sign({ sub: `user-${n}`, agents: ids, exp: Math.floor(Date.now() / 1000) + 7200 })
    return upgradeHead(`/ws?agent_ids=${ids.join(',')}&token=${token}`)
  })
  const visits: Visit[] = []
  let next = 0
  await Promise.all(Array.from({ length: IN_FLIGHT }, async () => {
    while (next < upgrades) visits.push(await visit(gateway.port, heads[next++ % USERS] ?? '', freshAddress()))
  }))
  await waitUntilNothingIsLeft(gateway, redis)
  const welcomed = visits.flatMap(({ connectionId }) => connectionId ?? []).toSorted()
  t.equal(welcomed.length, upgrades, 'everybody was let in')
  t.equal(visits.filter(({ answered }) => !answered).length, 0, 'nobody was dropped')
  await until('every closed line is written', () => idsIn(gateway, 'connection.closed').length >= welcomed.length)
  t.ok(idsIn(gateway, 'connection.accepted').join() === welcomed.join(), 'each has its accepted line')
  t.ok(idsIn(gateway, 'connection.closed').join() === welcomed.join(), 'each has its closed line')
  t.equal(await readMetric(gateway, 'portcullis_upgrades_lost_total'), 0)
  t.equal(await readMetric(gateway, 'portcullis_upgrades_total{outcome="aborted"}'), 0)
  t.equal(gateway.stderr(), '', 'the native layer warns of nothing')
}
