import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { join } from 'node:path'
import t from 'tap'
import type { ClientMessage } from '../../src/gateway/gateway-options.js'
import { createGateway, type Gateway } from '../../src/gateway/create-gateway.js'
import type { OnBusEvent } from '../../src/bus/bus.js'
import { createMemoryBus } from '../../src/bus/memory-bus.js'
import type { Admission, Grant, GrantRequest, Limiter } from '../../src/limits/limiter.js'
import { readDocument } from '../docs/documents.js'
import { connect, connectRefused } from '../support/client.js'
import { startIssuer } from '../support/issuer.js'
import { trust, type Lifetime } from '../support/gateway.js'
import { startRedis } from '../support/redis.js'
import { createTestTokens } from './test-parts.js'
import { PROJECT } from '../support/root.js'

const ROOT = fileURLToPath(PROJECT)
const SETTINGS = { JWT_ISSUER: 'https://id.example', JWT_AUDIENCE: 'gateway', HOST: '127.0.0.1', PORT: '0', ADMIN_PORT: '0', WS_DRAIN_SECONDS: '1' }

interface Line { readonly event: string, readonly where?: string }

async function start (t: Lifetime, gateway: Gateway): Promise<{ url (path: string): string }> {
  const { port } = await gateway.start()
  t.teardown(async () => { await gateway.stop('the test is over') })
  return { url: path => `ws://127.0.0.1:${port}${path}` }
}

t.test('the guide\'s program runs as it stands, on the package\'s own export', async (t) => {
  const issuer = await startIssuer(t)
  // Inside the package, whose name it imports.
  const folder = await mkdtemp(join(ROOT, 'dist', 'embed-'))
  t.teardown(async () => { await rm(folder, { recursive: true }) })
  const [, program = ''] = /```js\n([^]*?)```/.exec(readDocument('guides/embed.md')) ?? []
  await writeFile(join(folder, 'program.js'), program)
  const child = spawn(process.execPath, [join(folder, 'program.js')], { env: { ...SETTINGS, ...trust(issuer) }, stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = once(child, 'close') as Promise<[number | null]>
  t.teardown(async () => { child.kill('SIGKILL'); await ended })
  let log = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => { log += text })
  const said = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const [, port] = /^listening on (\d+)$/.exec((await said.next()).value as string) ?? []
  const running = { url: (path: string) => `ws://127.0.0.1:${port}${path}` }
  const token = issuer.sign({ sub: 'alice', scope: 'ws:send' })
  t.equal((await connectRefused(t, running, `/ws?agent_ids=bob&token=${token}`)).status, 403, 'its own authorizer decides')
  const client = await connect(t, running, `/ws?agent_ids=alice&token=${token}`)
  t.same((await client.nextOf('subscribed'))['agent_ids'], ['alice'])
  client.send({ type: 'send', id: '1', to: 'agent:alice', data: { hi: 1 } })
  await client.nextOf('sent')
  t.equal((await said.next()).value, 'alice to agent:alice: {"hi":1}')
  child.kill('SIGTERM')
  t.same(await ended, [0, null])
  t.match(log, /"event":"server\.started"[^]*"event":"connection\.accepted"[^]*"event":"server\.stopped"/)
})

t.test('with Redis a program is told of each message that is in the stream, and cannot fail it', async (t) => {
  const redis = await startRedis(t)
  const [told, lines] = [[] as ClientMessage[], [] as Line[]]
  const gateway = await start(t, createGateway({
    settings: { ...SETTINGS, REDIS_URL: redis.url },
    parts: { tokens: createTestTokens(), authorizer: createEverything() },
    log: { write: (line) => { lines.push(JSON.parse(line) as Line) } },
    onInbound: (message) => {
      told.push(message)
      if (message.data === 'bad') throw new Error('not today')
    }
  }))
  const client = await connect(t, gateway, '/ws?token=alice')
  for (const data of ['good', 'bad']) {
    client.send({ type: 'send', id: data, to: 'agent:a1', data })
    t.equal((await client.nextOf('sent'))['id'], data)
  }
  t.same(told.map(({ userId, to, data, json, id }) => [userId, to, data, json, id]), [['alice', 'agent:a1', 'good', '"good"', 'good'], ['alice', 'agent:a1', 'bad', '"bad"', 'bad']])
  t.equal(await redis.client.xlen('ws:inbound'), 2)
  t.same(lines.filter(({ event }) => event === 'fault').map(({ where }) => where), ['inbound'])
})

t.test('a program\'s own limiter and bus take the place of the configured ones, and are closed with the gateway', async (t) => {
  const [published, closed] = [[] as OnBusEvent[], [] as string[]]
  const limiter = createSmallLimiter(1, () => { closed.push('limiter') })
  const gateway = createGateway({
    settings: SETTINGS,
    log: { write () {} },
    parts: {
      tokens: createTestTokens(),
      authorizer: createEverything(),
      limiter,
      bus: (onEvent) => {
        published.push(onEvent)
        const bus = createMemoryBus({ onEvent })
        return { ...bus, close: async () => { closed.push('bus'); await bus.close() } }
      }
    }
  })
  const running = await start(t, gateway)
  const client = await connect(t, running, '/ws?agent_ids=a1&token=alice')
  t.match(await connectRefused(t, running, '/ws?token=bob'), { status: 429, body: { error: 'ip_rate_limited' } })
  await client.nextOf('subscribed')
  published[0]?.('agent:a1', { event: 'hello', data: 1 })
  t.match(await client.nextOf('event'), { topic: 'agent:a1', event: 'hello', data: 1 })
  await gateway.stop('over')
  t.same(closed, ['bus', 'limiter'])
})

t.test('a program\'s own limiter may be a class', async (t) => {
  const limiter = new CountingLimiter()
  const gateway = createGateway({
    settings: SETTINGS, log: { write () {} }, parts: { tokens: createTestTokens(), authorizer: createEverything(), limiter }
  })
  const running = await start(t, gateway)
  const client = await connect(t, running, '/ws?token=alice')
  client.send({ type: 'ping', id: 'p' })
  t.equal((await client.nextOf('pong'))['id'], 'p')
  await gateway.stop('over')
  t.same(limiter.calls.filter(call => call !== 'settle' && call !== 'renew'), ['admit', 'takeGrant', 'vacate', 'release', 'close'], 'what the drain gave back is given back again as the socket closes: once and twice are the same')
})

/** Lets everybody in, and tells what it was asked. */
class CountingLimiter implements Limiter {
  readonly calls: string[] = []
  async admit (): Promise<Admission> { this.calls.push('admit'); return { admitted: true } }
  release (): void { this.calls.push('release') }
  async vacate (): Promise<void> { this.calls.push('vacate') }
  async renew (): Promise<void> { this.calls.push('renew') }
  async takeGrant ({ demand }: GrantRequest): Promise<Grant> {
    this.calls.push('takeGrant')
    return { id: '', granted: demand, retryAfterMs: 0, unsettledMs: 0 }
  }

  settle (): void { this.calls.push('settle') }
  async close (): Promise<void> { this.calls.push('close') }
}

function createEverything () {
  return {
    local: true,
    visible: (_identity: unknown, _token: string, { agents, tasks }: { agents: readonly string[] | '*', tasks: readonly string[] | '*' }) => ({
      agents: agents === '*' ? [] : agents, tasks: tasks === '*' ? [] : tasks
    }),
    forget () {},
    close: async () => {}
  }
}

/** Lets this many attempts in. */
function createSmallLimiter (places: number, onClose: () => void): Limiter {
  let left = places
  return {
    admit: async () => left-- > 0 ? { admitted: true } : { admitted: false, limit: 'address', retryAfterMs: 1000 },
    release () {},
    vacate: async () => {},
    renew: async () => {},
    takeGrant: async ({ demand }) => ({ id: '', granted: demand, retryAfterMs: 0, unsettledMs: 0 }),
    settle () {},
    close: async () => { onClose() }
  }
}
