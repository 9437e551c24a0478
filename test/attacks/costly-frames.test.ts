import t, { type Test } from 'tap'
import { connect, freshAddress, type TestClient } from '../support/client.js'
import { startGateway, trust, type TestGateway } from '../support/gateway.js'
import { startIssuer, type TestIssuer } from '../support/issuer.js'
import { startRedis } from '../support/redis.js'
import { readMetric } from './present.js'

// One user within the default limits, who sends the dearest messages that there are, and one who only pings, as often as they are
// answered: no limit of messages may end that, so the address that pings is exempt. What is asserted
// of time is CPU of the gateway, and that the victim waits a second, or on a busy machine less than the attack takes.

const MIB = 1_048_576
const FRAMES_EACH = 12

/** JSON of nearly 1 MiB, of one unit repeated. */
function fill (unit: string, open: string, close: string): string {
  return open + Array(Math.floor((MIB - 100) / (unit.length + 1))).fill(unit).join(',') + close
}
/** The shapes that cost a parser most: it makes an object, an array, a key or a string of every few bytes. */
const SHAPES: Readonly<Record<string, string>> = {
  'empty objects': fill('{}', '[', ']'),
  'arrays in arrays': fill('['.repeat(120) + ']'.repeat(120), '[', ']'),
  'many keys': `{${Array.from({ length: 85_000 }, (_, n) => `"k${n}":1`).join(',')}}`,
  escapes: `"${'\\u00e9'.repeat(Math.floor((MIB - 100) / 6))}"`
}

const PINGS_FROM = '127.66.66.1'
const EXEMPT = { WS_IP_ALLOW_LIST: PINGS_FROM }

async function open (t: Test, gateway: TestGateway, token: string, from = freshAddress()): Promise<TestClient> {
  const client = await connect(t, gateway, `/ws?token=${token}`, { from })
  await client.nextOf('welcome')
  return client
}

/** Pings until told to stop; resolves with the longest wait for a pong, in ms. */
async function pingUntil (client: TestClient, isOver: () => boolean): Promise<number> {
  let worstMs = 0
  for (let n = 0; !isOver(); n++) {
    const sentMs = performance.now()
    client.send({ type: 'ping', id: String(n) })
    await client.nextOf('pong')
    worstMs = Math.max(worstMs, performance.now() - sentMs)
    await new Promise((resolve) => { setImmediate(resolve) })
  }
  return worstMs
}

const readCpuS = async (gateway: TestGateway): Promise<number> => await readMetric(gateway, 'process_cpu_seconds_total')

interface Scene { readonly gateway: TestGateway, readonly issuer: TestIssuer }
interface Attack {
  readonly answers: ReadonlyMap<string, number>
  readonly cpuMsEach: number
  /** Of a victim's pong, in ms; and the most that it may be. */
  readonly worstMs: number
  readonly mostMs: number
}

/** Sends the messages as fast as they go, at most `ahead` without an answer, while a victim pings. */
async function attack (
  t: Test, { gateway, issuer }: Scene, claims: Readonly<Record<string, unknown>>, messages: readonly string[], ahead: number
): Promise<Attack> {
  const attacker = await open(t, gateway, issuer.sign({ sub: `attacker-${freshAddress()}`, ...claims }))
  const victim = await open(t, gateway, issuer.sign({ sub: `victim-${freshAddress()}` }), PINGS_FROM)
  const cpuBeforeS = await readCpuS(gateway)
  const startedMs = performance.now()
  let isOver = false
  const pinging = pingUntil(victim, () => isOver)
  const answers = new Map<string, number>()
  const waiting = [...messages]
  for (const message of waiting.splice(0, ahead)) attacker.send(message)
  for (let n = 0; n < messages.length; n++) {
    const answer = await attacker.next()
    const name = String(answer['error'] ?? answer.type)
    answers.set(name, (answers.get(name) ?? 0) + 1)
    for (const message of waiting.splice(0, 1)) attacker.send(message)
  }
  const tookMs = performance.now() - startedMs
  isOver = true
  const worstMs = await pinging
  const cpuMsEach = (await readCpuS(gateway) - cpuBeforeS) * 1000 / messages.length
  t.comment(`${cpuMsEach.toFixed(1)} ms of CPU each, worst wait ${Math.round(worstMs)} of ${Math.round(tookMs)} ms`)
  return { answers, cpuMsEach, worstMs, mostMs: Math.max(1000, tookMs * 0.8) }
}

/** What one message of 1 MiB may cost at most, client's and Redis's end of the connections included: a parser takes 80 to 200. */
const MAX_CPU_MS = 40

t.test('messages of the dearest shapes cost a bounded share of CPU, and nobody waits for them', async (t) => {
  const [issuer, redis] = await Promise.all([startIssuer(t), startRedis(t)])
  const gateway = await startGateway(t, { ...trust(issuer), ...EXEMPT, REDIS_URL: redis.url, WS_INBOUND_USER_BYTES: String(64 * MIB), WS_USER_CONNECTIONS: '50' })
  const send = (data: string): string => `{"type":"send","to":"agent:a1","data":${data}}`
  await pingUntil(await open(t, gateway, issuer.sign({ sub: 'warm' }), PINGS_FROM), (() => { let n = 0; return () => ++n > 50 })())

  for (const [name, data] of Object.entries(SHAPES)) {
    await t.test(`${name}, from a user who may not send`, async (t) => {
      const { answers, cpuMsEach, worstMs, mostMs } = await attack(t, { gateway, issuer }, { agents: ['a1'] }, Array<string>(FRAMES_EACH).fill(send(data)), 3)
      t.same(answers, new Map([['forbidden', FRAMES_EACH]]))
      t.ok(cpuMsEach < MAX_CPU_MS, `${cpuMsEach} ms of CPU each`)
      t.ok(worstMs < mostMs, `a victim waited ${worstMs} of ${mostMs} ms`)
    })
  }

  await t.test('from a user who may send, until too much of hers waits', async (t) => {
    await redis.client.del('ws:inbound')
    const messages = Object.values(SHAPES).flatMap(data => Array<string>(4).fill(send(data)))
    const { answers, cpuMsEach, worstMs, mostMs } = await attack(t, { gateway, issuer }, { agents: ['a1'], scope: 'ws:send' }, messages, 3)
    t.same(answers, new Map([['sent', messages.length]]))
    t.ok(cpuMsEach < MAX_CPU_MS, `${cpuMsEach} ms of CPU each`)
    t.ok(worstMs < mostMs, `a victim waited ${worstMs} of ${mostMs} ms`)
    t.equal(await redis.client.xlen('ws:inbound'), messages.length)
  })

  await t.test('malformed at their last byte they are malformed, and the third closes', async (t) => {
    const client = await open(t, gateway, issuer.sign({ sub: 'sloppy', agents: ['a1'], scope: 'ws:send' }))
    for (const data of Object.values(SHAPES).slice(0, 3)) client.send(send(data).slice(0, -1))
    for (let n = 0; n < 3; n++) t.equal((await client.next())['error'], 'bad_message')
    t.equal((await client.closed).code, 4400)
  })
})

t.test('the same compressed, where a kilobyte on the wire is a message of 1 MiB', async (t) => {
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, { ...trust(issuer), ...EXEMPT, WS_COMPRESSION: 'shared' })
  const messages = Array<string>(FRAMES_EACH).fill(`{"type":"send","to":"agent:a1","data":${SHAPES['empty objects'] ?? ''}}`)
  const { answers, cpuMsEach } = await attack(t, { gateway, issuer }, { agents: ['a1'] }, messages, 3)
  t.same(answers, new Map([['forbidden', FRAMES_EACH]]))
  t.ok(cpuMsEach < MAX_CPU_MS, `${cpuMsEach} ms of CPU each`)
})

t.test('what one user leaves for the back end is bounded, and others go on', async (t) => {
  const [issuer, redis] = await Promise.all([startIssuer(t), startRedis(t)])
  const gateway = await startGateway(t, { ...trust(issuer), REDIS_URL: redis.url })
  const claims = { agents: ['a1'], scope: 'ws:send' }
  const greedy = await open(t, gateway, issuer.sign({ sub: 'greedy', ...claims }))
  const text = `{"type":"send","id":"m","to":"agent:a1","data":"${'x'.repeat(MIB - 100)}"}`
  const told: unknown[] = []
  for (let n = 0; n < 8; n++) {
    greedy.send(text)
    const answer = await greedy.next()
    told.push(answer['error'] ?? answer.type)
  }
  t.same(told, [...Array<string>(4).fill('sent'), ...Array<string>(4).fill('too_many_requests')])
  const other = await open(t, gateway, issuer.sign({ sub: 'other', ...claims }))
  other.send(text)
  t.equal((await other.next()).type, 'sent')
  const [[oldest] = ['']] = await redis.client.xrange('ws:inbound', '-', '+', 'COUNT', 1)
  await redis.client.xdel('ws:inbound', oldest)
  greedy.send(text)
  t.equal((await greedy.next()).type, 'sent', 'as soon as the back end has handled one')
})
