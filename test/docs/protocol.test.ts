import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { connect, freshAddress, type TestClient } from '../support/client.js'
import { startGateway, trust, type TestGateway } from '../support/gateway.js'
import { startIssuer, type TestIssuer } from '../support/issuer.js'
import { startRedis, type TestRedis } from '../support/redis.js'
import { encodeId } from '../../src/redis/encode-id.js'
import { codeBlocks, readDocument, ROOT, type Json } from './documents.js'
import { historyKey } from '../../src/redis/keys.js'
import { differences, Positions, readTranscript, type Step } from './transcript.js'

const PROTOCOL = readDocument('PROTOCOL.md')
const PUBLISH_KEY = 'a-publish-key-of-at-least-32-bytes'
const RESTART = 'the server restarts'
const CLAIMS = { agents: ['a1', 'a2'], tasks: ['t1'], scope: 'ws:send' }

const END_WHEN_SUBSCRIBED = "socket.addEventListener('message', ({ data }) => { if (JSON.parse(data).type === 'subscribed') socket.close(1000) })\n"

interface Stage { readonly issuer: TestIssuer, readonly redis: TestRedis, readonly gateway: TestGateway, readonly positions: Positions }

const nowS = (): number => Math.floor(Date.now() / 1000)

/** The token that the note in an example's first line asks for; null: none. */
function tokenFor (issuer: TestIssuer, note: string): string | null {
  switch (note) {
    case '': case RESTART: return issuer.sign(CLAIMS)
    case 'no token': return null
    case 'token ends in 20 s': return issuer.sign({ ...CLAIMS, exp: nowS() + 20 })
    default: throw new Error(`an example opens with what no test knows: ${note}`)
  }
}

async function perform (t: Test, { issuer, redis, gateway, positions }: Stage, client: TestClient, step: Step): Promise<void> {
  switch (step.does) {
    case 'open': throw new Error('an example opens once')
    case 'send':
      for (let i = 0; i < step.times; i++) client.send(positions.toReal(step.text).replace('<jwt>', () => issuer.sign(CLAIMS)))
      return
    case 'receive':
      for (let i = 0; i < step.times; i++) t.same(differences(JSON.parse(step.text) as Json, await client.next() as Json, '', positions), [], step.text)
      return
    case 'publish':
      t.ok(await redis.client.publish(`ws:topic:${step.topic}`, step.message) > 0, 'somebody listens')
      return
    case 'post': {
      const answer = await fetch(`http://127.0.0.1:${gateway.port}/v1/publish`, { method: 'POST', headers: { 'X-Publish-Key': PUBLISH_KEY }, body: step.body })
      t.equal(answer.status, 202)
      t.same(differences(step.answer, await answer.json() as Json, '', positions), [], step.body)
      return
    }
    case 'lose':
      t.equal(await redis.client.del(historyKey('', `ws:topic:${step.topic}`)), 1)
      return
    case 'closed': {
      const { code, reason } = await client.closed
      t.equal(code, step.code)
      t.same(differences(step.reason, JSON.parse(reason) as Json), [], 'the close reason')
    }
  }
}

async function play (t: Test, stage: Stage, [first, ...steps]: readonly Step[]): Promise<void> {
  if (first?.does !== 'open') throw new Error('an example begins with a path')
  const token = tokenFor(stage.issuer, first.note)
  const client = await connect(t, stage.gateway, stage.positions.toReal(first.path), {
    from: freshAddress(), ...(token === null ? {} : { protocols: ['portcullis.v1', `bearer.${token}`] })
  })
  for (const step of steps) {
    if (step.does === 'receive' && first.note === RESTART && step.text.includes('"closing"')) stage.gateway.signal('SIGTERM')
    await perform(t, stage, client, step)
  }
  if (token !== null) t.equal(client.protocol, 'portcullis.v1')
  client.socket.close()
  t.same(client.waiting, [], 'nothing else came')
}

t.test('every example of the protocol document is what a real gateway does', async (t) => {
  const [issuer, redis] = await Promise.all([startIssuer(t), startRedis(t)])
  const gateway = await startGateway(t, { ...trust(issuer), REDIS_URL: redis.url, PUBLISH_KEY, WS_USER_CONNECTIONS: '5' })
  const stage = { issuer, redis, gateway, positions: new Positions() }
  const examples = codeBlocks(PROTOCOL, 'text').map(readTranscript)
  t.ok(examples.length >= 8)

  await t.test('requests', async (t) => {
    const [request = '', answer = '', ...more] = codeBlocks(PROTOCOL, 'http')
    t.same(more, [])
    const [head = '', body = ''] = request.split('\n\n')
    const [first = '', ...headers] = head.replace('<PUBLISH_KEY>', PUBLISH_KEY).split('\n')
    const [method = '', path = ''] = first.split(' ')
    const posless = (text: string): string => text.replace(/"pos":"\w+(-\w+)?:\d+"/, '"pos":…')
    for (const base of [`http://127.0.0.1:${gateway.port}`, `http://127.0.0.1:${gateway.adminPort}`]) {
      const real = await fetch(base + path, { method, headers: headers.map((line): [string, string] => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]), body: body.replace('status-4', base) })
      t.equal(posless(`${real.status}\n\n${(await real.text()).trim()}\n`), posless(answer))
    }
  })

  await t.test('the browser\'s lines', async (t) => {
    const [code = '', ...more] = codeBlocks(PROTOCOL, 'js')
    t.same(more, [])
    const lines = code.replace('wss://gateway.example.com', gateway.url(''))
    t.not(lines, code)
    const file = join(t.testdir({}), 'example.mjs')
    const socketModule = import.meta.resolve('ws')
    writeFileSync(file, `import { WebSocket } from '${socketModule}'\nconst token = process.env.TOKEN\n${lines}\n${END_WHEN_SUBSCRIBED}`)
    const { stdout } = await promisify(execFile)(process.execPath, [file], { env: { TOKEN: issuer.sign(CLAIMS) } })
    t.equal(stdout, 'connected as alice\nclosed 1000 \n')
  })

  for (const example of examples.filter(steps => !isRestart(steps))) {
    await t.test(nameOf(example), async (t) => { await play(t, stage, example) })
  }
  await t.test('a message that was sent is an entry of the stream, with the documented fields', async (t) => {
    const [entry] = await redis.client.xrange('ws:inbound', '-', '+')
    const fields = entry?.[1] ?? []
    t.same(fields.filter((_, index) => index % 2 === 0), ['connection_id', 'user_id', 'to', 'data', 'ts', 'id'])
    t.match(fields, ['connection_id', /./, 'user_id', 'alice', 'to', 'task:t1', 'data', '{"text":"hello"}', 'ts', /Z$/, 'id', '4'])
    await runRedisLines(t, redis, entry?.[0] ?? '')
  })
  for (const example of examples.filter(isRestart)) {
    await t.test(nameOf(example), async (t) => { await play(t, stage, example) })
  }
})

const nameOf = ([first]: readonly Step[]): string => first?.does === 'open' ? `${first.path} ${first.note}` : ''
const isRestart = ([first]: readonly Step[]): boolean => first?.does === 'open' && first.note === RESTART

/** The commands by which a back end reads the stream, as they stand. */
async function runRedisLines (t: Test, redis: TestRedis, entry: string): Promise<void> {
  for (const line of codeBlocks(PROTOCOL, 'redis').flatMap(block => block.trim().split('\n'))) {
    const [command = '', ...args] = line.replace('<entry>', entry).split(' ')
    t.ok(await redis.client.call(command, ...args), line)
  }
  t.equal(await redis.client.xlen('ws:inbound'), 0, 'handled and deleted')
}

const IDS = ['aZ09._-', 'a:b', "o'brien*(~!)", 'auth0|7 é😀', '100%41', 'a/b+c@d&e']

t.test('the encoders that the document gives write ids as the gateway does', async (t) => {
  const [[javascript = ''], [python = '']] = [codeBlocks(PROTOCOL, 'javascript'), codeBlocks(PROTOCOL, 'python')]
  const programs = [
    [process.execPath, ['-e', `${javascript}\nfor (const id of process.argv.slice(1)) console.log(encodeId(id))`]],
    ['python3', ['-c', `${python}\nimport sys\nfor id in sys.argv[1:]: print(encode_id(id))`]]
  ] as const
  for (const [program, args] of programs) {
    const missing = (error: NodeJS.ErrnoException): null => { if (error.code !== 'ENOENT') throw error; return null }
    const run = await promisify(execFile)(program, [...args, ...IDS]).catch(missing)
    if (run === null) t.comment(`${program} is not there`)
    else t.same(run.stdout.trim().split('\n'), IDS.map(encodeId), program)
  }
})

t.test('the tables, and both specifications, are what the code says', async (t) => {
  const check = promisify(execFile)(process.execPath, ['scripts/specifications.js', '--check'], { cwd: ROOT })
  t.equal(await check.then(() => '', (error: { stderr: string }) => error.stderr), '')
})
