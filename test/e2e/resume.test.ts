import { createHmac } from 'node:crypto'
import t, { type Test } from 'tap'
import { connect, connectRefused, freshAddress, type Refused, type TestClient } from '../support/client.js'
import { startGateway, trust, type TestGateway } from '../support/gateway.js'
import { startIssuer, type TestIssuer } from '../support/issuer.js'
import { startRedis } from '../support/redis.js'
import { until } from '../support/until.js'

// Most of the time here is spent waiting for processes.
t.jobs = 2

/** A user who was sent away: the token, and the pass from the `closing` frame. */
interface SentAway { readonly token: string, readonly pass: string, readonly from: string }

async function open (t: Test, gateway: TestGateway, token: string, from: string, pass = ''): Promise<TestClient> {
  const client = await connect(t, gateway, `/ws?token=${token}${pass === '' ? '' : `&resume=${pass}`}`, { from })
  await client.nextOf('welcome')
  return client
}

/** Ends a gateway and gives what each of its clients was told. */
async function sendAway (
  gateway: TestGateway, clients: ReadonlyArray<{ client: TestClient, token: string, from: string }>
): Promise<SentAway[]> {
  gateway.signal('SIGTERM')
  const told = await Promise.all(clients.map(async ({ client, token, from }) => {
    const closing = await client.nextOf('closing')
    const { code } = await client.closed
    return { code, token, from, pass: String(closing['resume']) }
  }))
  for (const { code } of told) if (code !== 1012) throw new Error(`closed with ${code}`)
  return told
}

const nameOf = ({ status, body }: Refused): string => `${status} ${String(body['error'])}`
async function tryWith (t: Test, gateway: TestGateway, { token, from }: SentAway, pass: string): Promise<string> {
  return nameOf(await connectRefused(t, gateway, `/ws?token=${token}&resume=${pass}`, { from }))
}

/** Attempts until the address has no more: whatever passes later has passed by a pass. */
async function fillWindow (t: Test, gateway: TestGateway, issuer: TestIssuer, from: string): Promise<void> {
  for (let i = 0; i < 10; i++) await open(t, gateway, issuer.sign({ sub: `filler-${from}-${i}` }), from)
  const refused = await connectRefused(t, gateway, `/ws?token=${issuer.sign({ sub: `filler-${from}` })}`, { from })
  if (refused.status !== 429) throw new Error('the window is not full')
}

t.test('an office of thirty behind one address comes back after a deploy, and nobody else does', { buffered: true }, async (t) => {
  const [issuer, redis] = await Promise.all([startIssuer(t), startRedis(t)])
  const office = freshAddress()
  const settings = { ...trust(issuer), REDIS_URL: redis.url }
  // The window is raised where the office comes in, so that it is there at all; both count on the same keys.
  const old = await startGateway(t, { ...settings, WS_IP_CONNECTIONS: '100' })
  const next = await startGateway(t, settings)
  await until('the key is there', async () => await redis.client.exists('ws:resume-key') === 1)
  const clients = await Promise.all(Array.from({ length: 30 }, async (_, i) => {
    const token = issuer.sign({ sub: `user-${i}` })
    return { client: await open(t, old, token, office), token, from: office }
  }))
  const [heavy, other] = [issuer.sign({ sub: 'heavy' }), freshAddress()]
  for (let i = 0; i < 5; i++) clients.push({ client: await open(t, old, heavy, other), token: heavy, from: other })
  const told = await sendAway(old, clients)
  const users = told.slice(0, 30)
  const [first, second, third, fourth] = users as [SentAway, SentAway, SentAway, SentAway]

  await t.test('each has a pass of its own', async (t) => {
    for (const { pass } of told) t.match(pass, /^[A-Za-z0-9_-]{116}$/)
    t.equal(new Set(told.map(({ pass }) => pass)).size, 35)
  })

  await t.test('without a pass, or with one that is not for this user at this address, the window is over', async (t) => {
    await until('the address is over', async () => (await connectRefused(t, next, `/ws?token=${first.token}`, { from: office })).status === 429)
    const [head, bit] = [first.pass.slice(0, 60), first.pass.charAt(60) === 'A' ? 'B' : 'A']
    t.equal(await tryWith(t, next, first, `${head}${bit}${first.pass.slice(61)}`), '429 ip_rate_limited', 'one character changed')
    t.equal(await tryWith(t, next, first, second.pass), '429 ip_rate_limited', 'another user\'s')
    t.equal(await tryWith(t, next, first, told[34]?.pass ?? ''), '429 ip_rate_limited', 'another address\'s')
    t.equal(await tryWith(t, next, first, 'garbage'), '429 ip_rate_limited')
    t.equal(await tryWith(t, next, { ...first, token: 'noise' }, first.pass), '429 ip_rate_limited', 'with a bad token it is not spent')
  })

  await t.test('with their passes all thirty are let in at once', async (t) => {
    const back = await Promise.all(users.map(async ({ token, pass }) => await open(t, next, token, office, pass)))
    t.equal(back.length, 30)
  })

  await t.test('a second time a pass is worth nothing', async (t) => {
    for (const user of [first, second, third, fourth]) t.equal(await tryWith(t, next, user, user.pass), '429 ip_rate_limited')
  })

  await t.test('a user with five sockets has all five back at once', async (t) => {
    const back = await Promise.all(told.slice(30).map(async ({ token, from, pass }) => await open(t, next, token, from, pass)))
    t.equal(back.length, 5)
    t.match(await connectRefused(t, next, `/ws?token=${heavy}`, { from: other }), { status: 429, body: { error: 'user_connection_limit' } })
  })

  await t.test('the process that went has given everything back and ended in order', async (t) => {
    t.equal(await old.exited, 0)
    t.equal(old.log.filter(line => line.event === 'connection.closed' && line['reason'] === 'restarting').length, 35)
    for (const { pass } of told) t.notMatch(old.stdout() + next.stdout(), pass, 'no pass is written down')
  })
})

t.test('a restart with a configured key, without Redis', { buffered: true }, async (t) => {
  const issuer = await startIssuer(t)
  const office = freshAddress()
  const key = 'a-resume-key-of-32-bytes-or-more'
  const settings = { ...trust(issuer), WS_RESUME_KEY: key }
  const old = await startGateway(t, settings)
  const token = issuer.sign({ sub: 'alice' })
  const [alice] = await sendAway(old, [{ client: await open(t, old, token, office), token, from: office }]) as [SentAway]
  const next = await startGateway(t, settings)
  await fillWindow(t, next, issuer, office)

  await t.test('an expired pass is an ordinary attempt, although its signature is good', async (t) => {
    const bytes = Buffer.from(alice.pass, 'base64url')
    const sign = (expiresAtMs: number): string => {
      const body = Buffer.from(bytes.subarray(0, 55))
      body.writeUIntBE(expiresAtMs, 1, 6)
      return Buffer.concat([body, createHmac('sha256', key).update('ticket\0').update(body).update(office).digest()]).toString('base64url')
    }
    t.equal(sign(bytes.readUIntBE(1, 6)), alice.pass, 'this is how passes are signed')
    t.equal(await tryWith(t, next, alice, sign(Date.now() - 1)), '429 ip_rate_limited')
    t.equal(await tryWith(t, next, alice, sign(Date.now() + 3_600_000)), '429 ip_rate_limited')
  })

  await t.test('the pass lets its user in once, and spares nothing but the address\'s limit', async (t) => {
    t.match(await connectRefused(t, next, `/ws?token=${token}&resume=${alice.pass}`, { from: office, headers: { Origin: 'https://evil.example' } }), { status: 403 })
    await open(t, next, token, office, alice.pass)
    t.equal(await tryWith(t, next, alice, alice.pass), '429 ip_rate_limited')
  })
})

t.test('without Redis and without a key there are no passes', { buffered: true }, async (t) => {
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, trust(issuer))
  const client = await open(t, gateway, issuer.sign(), freshAddress())
  gateway.signal('SIGTERM')
  t.notOk('resume' in await client.nextOf('closing'))
  t.equal(await gateway.exited, 0)
})

t.test('a Redis that hangs', { buffered: true }, async (t) => {
  const [issuer, redis] = await Promise.all([startIssuer(t), startRedis(t)])

  await t.test('does not keep a drain from ending', async (t) => {
    const gateway = await startGateway(t, { ...trust(issuer), REDIS_URL: redis.url })
    const client = await open(t, gateway, issuer.sign(), freshAddress())
    redis.pause()
    t.teardown(redis.resume)
    gateway.signal('SIGTERM')
    t.equal((await client.closed).code, 1012)
    t.equal(await gateway.exited, 0)
  })

  await t.test('does not delay a second signal', async (t) => {
    redis.resume()
    /** How long a second signal takes to end a process, in ms. */
    const endOnce = async (hangs: boolean): Promise<number> => {
      const gateway = await startGateway(t, { ...trust(issuer), REDIS_URL: redis.url, WS_DRAIN_SECONDS: '600' })
      await open(t, gateway, issuer.sign(), freshAddress())
      if (hangs) redis.pause()
      gateway.signal('SIGTERM')
      await gateway.waitForLog('server.draining')
      const atMs = performance.now()
      gateway.signal('SIGTERM')
      t.equal(await gateway.exited, 130)
      redis.resume()
      return performance.now() - atMs
    }
    // Slots may take a second to be given back. Waiting for them would show in every round; a busy machine also slows the control.
    const [control, hung]: [number[], number[]] = [[], []]
    const waits = (): boolean => Math.min(...hung) > Math.min(...control) + 700
    do {
      control.push(await endOnce(false))
      hung.push(await endOnce(true))
    } while (waits() && hung.length < 5)
    t.notOk(waits(), `${hung.join(', ')} ms, without a hang ${control.join(', ')} ms`)
  })
})
