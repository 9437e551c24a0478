import t, { type Test } from 'tap'
import { connect, connectRefused, freshAddress } from '../support/client.js'
import { startGateway, trust, type TestGateway } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
import { offenders } from '../support/offenders.js'
import { exchange, openRaw, readResponse, upgradeHead } from '../support/raw-socket.js'
import { HANG_MS, until } from '../support/until.js'

// Strangers without a token or a secret against one process, at the default limits, beside victims whose worst wait is told.

const ADMIN_TOKEN = 'an-admin-token-of-at-least-32-bytes'
const PUBLISH_KEY = 'a-publish-key-of-at-least-32-bytes'
const EVENT = '{"topic":"agent:a1","event":"e","data":1}'
/** What was 15 s and without end before; a machine under tests may take its time. */
const WORST_WAIT_MS = 5000

/** Asks again and again while `attack` runs; resolves with the longest that one answer took. */
async function worstWait (attack: Promise<unknown>, ask: () => Promise<unknown>): Promise<number> {
  const state = { attacking: true, worstMs: 0 }
  const done = attack.finally(() => { state.attacking = false })
  do {
    const startedMs = performance.now()
    await ask()
    state.worstMs = Math.max(state.worstMs, performance.now() - startedMs)
  } while (state.attacking)
  await done
  return state.worstMs
}

/** Sends everything at once and resolves with what came back until the end. */
async function flood (t: Test, port: number, bytes: string): Promise<string> {
  const raw = await openRaw(t, port)
  raw.write(bytes)
  await raw.closed
  return raw.received()
}

t.test('strangers at the ports', async (t) => {
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, { ...trust(issuer), ADMIN_TOKEN, PUBLISH_KEY })
  const probe = async (): Promise<void> => { t.equal((await gateway.admin('/healthz')).status, 200) }
  const openOne = async (): Promise<void> => {
    const client = await connect(t, gateway, `/ws?token=${issuer.sign({ sub: freshAddress() })}`, { from: freshAddress() })
    await client.nextOf('welcome')
    client.socket.terminate()
  }

  await t.test('340 KB of requests for the metrics are one page and the end of their connection; nobody waits for them', async (t) => {
    const request = 'GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n'
    const floods = Promise.all(Array.from({ length: 4 }, async () => await flood(t, gateway.adminPort, request.repeat(9000))))
    t.ok(await worstWait(floods, async () => { await Promise.all([probe(), openOne()]) }) < WORST_WAIT_MS)
    const answers = (await floods).map(text => text.split('HTTP/1.1 200').length - 1)
    t.ok(Math.max(...answers) <= 16, `${answers.join()} answers`)
    const pages = await Promise.all(Array.from({ length: 50 }, async () => await (await gateway.admin('/metrics')).text()))
    t.ok(new Set(pages).size <= 2, 'one page a second')
  })

  await t.test('every other thing that anybody may ask is bounded in the same way', async (t) => {
    const answersTo = async (port: number, path: string): Promise<number> =>
      (await flood(t, port, `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`.repeat(2000))).split('HTTP/1.1 ').length - 1
    t.same(await offenders(['/healthz', '/readyz', '/nothing', '/v1/connections', '/%zz'], async path => await answersTo(gateway.adminPort, path) <= 16), [])
    // The native layer ends a connection when it writes, which it does after 16 KB of answers at the latest.
    t.same(await offenders(['/metrics', '/nothing', '/ws', '/v1/publish'], async path => await answersTo(gateway.port, path) <= 128), [])
    await probe()
  })

  await t.test('silent sockets are ended before a probe is kept waiting', async (t) => {
    const silent = await Promise.all(Array.from({ length: 900 }, async () => await openRaw(t, gateway.adminPort)))
    for (let i = 0; i < 20; i++) await probe()
    t.equal((await gateway.admin('/v1/connections?user_id=alice', { headers: { Authorization: `Bearer ${ADMIN_TOKEN}` } })).status, 200)
    // This side holds sockets as connected that the other one has yet to take in: the kernel's queue was full.
    await until('512 of them are open', () => silent.filter(({ socket }) => !socket.destroyed).length <= 512)
    t.ok(silent.some(({ socket, received }) => socket.destroyed && received() === ''), 'a time that ran out would have been answered with 408')
    for (const { socket } of silent) socket.destroy()
  })

  await t.test('sockets that each have asked, and go on asking, take the place of no probe', async (t) => {
    const request = 'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n'
    const holders = await Promise.all(Array.from({ length: 512 }, async () => {
      const raw = await openRaw(t, gateway.adminPort)
      raw.write(request)
      return raw
    }))
    const unheard = await offenders(Array.from({ length: 20 }, (_, n) => `probe ${n}`), async () => {
      for (const holder of holders) holder.write(request)
      const raw = await openRaw(t, gateway.adminPort)
      raw.write(request)
      return (await readResponse(raw))?.status === 200
    })
    t.same(unheard, [])
    for (const { socket } of holders) socket.destroy()
  })

  await t.test('requests without a secret, or with a wrong one, keep nobody from being heard with the right one', async (t) => {
    const missing = Array.from({ length: 30 }, async () => (await gateway.admin('/v1/connections?user_id=alice')).status)
    t.same(new Set(await Promise.all(missing)), new Set([401]))
    const from = freshAddress()
    const publish = async (key: string | null): Promise<number | undefined> => {
      const shown = key === null ? '' : `X-Publish-Key: ${key}\r\n`
      const request = `POST /v1/publish HTTP/1.1\r\nHost: x\r\n${shown}Content-Length: ${EVENT.length}\r\n\r\n${EVENT}`
      return (await exchange(t, gateway, request, from))?.status
    }
    const guesses = Promise.all([...Array(150).keys()].map(async n => [
      await publish(n % 2 === 0 ? null : `guess-${n}`), (await gateway.admin('/v1/recheck', { method: 'POST', headers: { Authorization: `Bearer guess-${n}` } })).status
    ]))
    const worstMs = await worstWait(guesses, async () => {
      t.equal(await publish(PUBLISH_KEY), 202)
      t.equal((await gateway.admin('/v1/connections?user_id=alice', { headers: { Authorization: `Bearer ${ADMIN_TOKEN}` } })).status, 200)
    })
    t.ok(worstMs < HANG_MS, `${worstMs} ms`)
    t.same([...new Set((await guesses).flat())].toSorted(), [401, 429])
    t.match(await gateway.waitForLog('secret.refused', line => line['ip'] === from), { secret: 'publish', reason: 'invalid_token' })
    t.match(await gateway.waitForLog('secret.refused', line => line['secret'] === 'admin'), { ip: '127.0.0.1' })
    t.notMatch(gateway.stdout(), 'guess-')
    t.ok(gateway.log.filter(line => line.event === 'secret.refused').length < 60, 'a flood of guesses is no flood of lines')
  })
})

async function refuseMany (
  t: Test, gateway: TestGateway, count: number, headers: Record<string, string>
): Promise<Array<number | undefined>> {
  return await Promise.all(Array.from({ length: count }, async () => {
    const { status } = await connectRefused(t, gateway, '/ws?refuse=close', { from: freshAddress(), headers })
    return status
  }))
}

t.test('pages of a foreign origin that ask to be refused by close take no place', async (t) => {
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, { ...trust(issuer), WS_MAX_CONNECTIONS: '50' })
  t.same(new Set(await refuseMany(t, gateway, 300, { Origin: 'https://evil.example' })), new Set([403]))
  t.same(gateway.log.filter(line => line['code'] !== undefined), [], 'nobody was accepted')
  const client = await connect(t, gateway, `/ws?token=${issuer.sign()}`, { from: freshAddress() })
  t.equal((await client.next()).type, 'welcome')
})

t.test('refused clients that keep their sockets are counted, and are told by HTTP when they are too many', async (t) => {
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, { ...trust(issuer), WS_MAX_CONNECTIONS: '50' })
  const outcomes: number[] = []
  for (let i = 0; i < 60; i++) {
    outcomes.push((await exchange(t, gateway, upgradeHead('/ws?refuse=close'), freshAddress()))?.status ?? 0)
  }
  t.same(outcomes.filter(status => status === 101).length, 5, 'a tenth of the places')
  t.same(outcomes.filter(status => status === 401).length, 55)
  const opened = await Promise.all(Array.from({ length: 45 }, async (_, n) =>
    await connect(t, gateway, `/ws?token=${issuer.sign({ sub: `user-${n}` })}`, { from: freshAddress() })))
  t.equal(opened.length, 45, 'the others are for those with a token')
  t.equal((await connectRefused(t, gateway, `/ws?token=${issuer.sign({ sub: 'late' })}`, { from: freshAddress() })).status, 503, 'and together they are no more than the cap')
})
