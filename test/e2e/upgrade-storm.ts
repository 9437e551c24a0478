import { connect } from 'node:net'
import type { Test } from 'tap'
import { startGateway, trust, type TestGateway } from '../support/gateway.js'
import { readMetric } from '../support/held-sockets.js'
import { startIssuer } from '../support/issuer.js'
import { upgradeHead } from '../support/raw-socket.js'
import { startRedis, type TestRedis } from '../support/redis.js'
import { until } from '../support/until.js'

const IN_FLIGHT = 256
const USERS = 1000
const TOPICS = 20
const RAISED = { WS_IP_CONNECTIONS: '100000', WS_USER_CONNECTIONS: '100000', WS_MAX_PENDING_UPGRADES: '1000' }
/** Clients that stay while others come: V8's tables of open sockets grow, and a table may grow in the middle of an upgrade. */
const HELD = 3000
/** An empty ping, then a close frame with 1000, both with a mask of zeros. */
const PING = Buffer.from([0x89, 0x80, 0, 0, 0, 0])
const CLOSE = Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xE8])
const EMPTY_PONG = '\x8A\0'

/** What became of one client: refused, or let in, and then it either had an answer to its ping or was dropped. */
interface Visit {
  readonly status: string
  readonly connectionId: string
  readonly answered: boolean
  /** Says goodbye, where it still can. */
  leave (): void
}

/** Opens a connection, and waits for `welcome` and for the answer to a ping. Resolves when both have come, or the connection has ended. */
async function visit (port: number, head: string, from: string): Promise<Visit> {
  return await new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', localAddress: from, noDelay: true })
    let text = ''
    let connectionId = ''
    let answered = false
    const settle = (): void => {
      resolve({ status: text.slice(9, 12), connectionId, answered, leave () { if (socket.writable) socket.end(CLOSE) } })
    }
    socket.setEncoding('latin1')
    socket.on('data', (part: string) => {
      text += part
      if (connectionId === '') {
        connectionId = /"connection_id":"([^"]+)"/.exec(text)?.[1] ?? ''
        if (connectionId !== '') socket.write(PING)
      } else if (!answered && text.includes(EMPTY_PONG)) {
        answered = true
        settle()
      }
    })
    socket.on('error', () => { /* what came before it is what counts */ })
    socket.on('close', settle)
    socket.write(head)
  })
}

/** Each client has an address of its own. */
const addressOf = (n: number): string => `127.${80 + Math.floor(n / 62_500)}.${Math.floor(n / 250) % 250}.${n % 250 + 1}`

/** The connection ids in the lines of one event, in order. */
const idsIn = (gateway: TestGateway, event: string): string[] =>
  gateway.log.filter(line => line.event === event).map(line => String(line['connection_id'])).toSorted()

async function waitUntilNothingIsLeft (gateway: TestGateway, redis: TestRedis): Promise<void> {
  await until('no connection is left', async () => await readMetric(gateway, 'portcullis_connections') === 0)
  await until('no lease is left', async () => (await redis.client.keys('ws:ratelimit:user:*')).length === 0)
}

/** Lets many clients into a gateway just started, 256 at a time, with 20 long ids in their URLs, and checks that it keeps each one. */
export async function playUpgradeStorm (t: Test, upgrades: number): Promise<void> {
  const [redis, issuer] = await Promise.all([startRedis(t), startIssuer(t)])
  const gateway = await startGateway(t, { ...trust(issuer), ...RAISED, REDIS_URL: redis.url })
  const ids = Array.from({ length: TOPICS }, (_, n) => `agent-with-an-id-as-long-as-a-uuid-${n}`)
  const heads = Array.from({ length: USERS }, (_, n) => {
    const token = issuer.sign({ sub: `user-${n}`, agents: ids, exp: Math.floor(Date.now() / 1000) + 7200 })
    return upgradeHead(`/ws?agent_ids=${ids.join(',')}&token=${token}`)
  })
  const visits: Visit[] = []
  let next = 0
  let attempts = 0
  const letIn = async (head: string): Promise<Visit> => {
    const one = await visit(gateway.port, head, addressOf(attempts++))
    // A gateway that a busy machine makes late refuses for a while.
    return one.status === '503' ? await letIn(head) : one
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, async () => {
    while (next < upgrades) {
      visits.push(await letIn(heads[next++ % USERS] ?? ''))
      visits.at(-1 - HELD)?.leave()
    }
  }))
  for (const { leave } of visits.slice(-HELD)) leave()
  await waitUntilNothingIsLeft(gateway, redis)
  const welcomed = visits.map(({ connectionId }) => connectionId).toSorted()
  t.equal(visits.filter(({ status, connectionId }) => status === '101' && connectionId !== '').length, upgrades, 'everybody was let in')
  t.equal(visits.filter(({ answered }) => !answered).length, 0, 'nobody was dropped')
  await until('every closed line is written', () => idsIn(gateway, 'connection.closed').length >= welcomed.length)
  t.ok(idsIn(gateway, 'connection.accepted').join() === welcomed.join(), 'each has its accepted line')
  t.ok(idsIn(gateway, 'connection.closed').join() === welcomed.join(), 'each has its closed line')
  t.equal(await readMetric(gateway, 'portcullis_upgrades_lost_total'), 0)
  t.equal(await readMetric(gateway, 'portcullis_upgrades_total{outcome="aborted"}'), 0)
  t.equal(gateway.stderr(), '', 'the native layer warns of nothing')
}
