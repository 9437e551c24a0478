import { execFile, execFileSync } from 'node:child_process'
import { promisify } from 'node:util'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { connect, freshAddress } from '../support/client.js'
import { ensureServer } from '../support/ensure-server.js'
import { startGateway, trust } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
import { startRedis } from '../support/redis.js'
import { codeBlocks, readDocument, ROOT } from './documents.js'
import { runGuide } from './guide-commands.js'

const PUBLISH_KEY = 'a-publish-key-of-at-least-32-bytes'
const GUIDE = readDocument('guides/publishing.md')
const run = promisify(execFile)
const LIMIT_MS = 240_000

function onlyBlock (language: string, holding = ''): string {
  const [block, ...more] = codeBlocks(GUIDE, language).filter(text => text.includes(holding))
  if (block === undefined || more.length > 0) throw new Error(`the guide has not one block of ${language}`)
  return block
}

/** Why a test of a language is left out here; false: it is not. */
function absent (command: string, ...args: readonly string[]): string | false {
  try {
    execFileSync(command, args, { stdio: 'ignore' })
    return false
  } catch {
    return `${command} is not installed here`
  }
}

t.test('each example of the guide publishes an event that a client hears', async (t) => {
  const [issuer, redis] = await Promise.all([startIssuer(t), startRedis(t)])
  const gateway = await startGateway(t, { ...trust(issuer), REDIS_URL: redis.url, PUBLISH_KEY })
  const client = await connect(t, gateway, `/ws?agent_ids=a1&token=${issuer.sign({ agents: ['a1'] })}`, { from: freshAddress() })
  await client.nextOf('subscribed')
  const listener = redis.client.duplicate()
  t.teardown(() => { listener.disconnect() })
  const messages: string[] = []
  listener.on('message', (_channel, message: string) => { messages.push(message) })
  await listener.subscribe('ws:topic:agent:a1')
  const env = {
    PATH: process.env['PATH'] ?? '',
    HOME: process.env['HOME'] ?? '',
    PORTCULLIS_URL: `http://127.0.0.1:${gateway.port}`,
    PUBLISH_KEY,
    REDIS_URL: redis.url
  }
  const execute = async (command: string, args: readonly string[], more: Readonly<Record<string, string>> = {}): Promise<string> =>
    (await run(command, args, { cwd: ROOT, env: { ...env, ...more }, timeout: LIMIT_MS })).stdout.trim()

  /** Whether the event is heard, and what the example printed is its position. */
  const expectHeard = async (t: Test, from: string, pos: string | null): Promise<void> => {
    t.match(await client.nextOf('event'), { topic: 'agent:a1', event: 'status', data: { from } })
    const published = JSON.parse(messages.shift() ?? '{}') as { pos?: string, id?: string }
    t.match(published.pos, /^\w+:\d+$/)
    t.match(published.id, /^run-17-/)
    if (pos !== null) t.equal(pos, published.pos)
  }

  for (const [n, code] of codeBlocks(GUIDE, 'javascript').entries()) {
    await t.test(`Node, example ${n + 1}`, async (t) => {
      await expectHeard(t, ['node over http', 'node over redis', 'node-redis'][n] ?? 'none', await execute(process.execPath, ['--input-type=module', '-e', code]))
    })
  }
  await t.test('Python', { skip: absent('python3', '--version') }, async (t) => {
    await expectHeard(t, 'python', await execute('python3', ['-c', onlyBlock('python', 'urllib.request')]))
  })
  await t.test('Python, with redis-py and the printed script', async (t) => {
    const python = ensureServer('redis-py')
    const script = join(t.testdir({}), 'publish-event.lua')
    await writeFile(script, await execute(process.execPath, ['dist/cli/main.js', 'publish-script']))
    await expectHeard(t, 'redis-py', await execute(python, ['-c', onlyBlock('python', 'import json, os, redis').replace('publish-event.lua', script)]))
  })
  await t.test('Go', { skip: absent('go', 'version') }, async (t) => {
    const folder = t.testdir({})
    const file = join(folder, 'main.go')
    await writeFile(file, onlyBlock('go'))
    await expectHeard(t, 'go', await execute('go', ['run', file], { GOCACHE: join(folder, 'cache'), GO111MODULE: 'off' }))
  })
  await t.test('redis-cli with the printed script', { skip: absent('redis-cli', '--version') }, async (t) => {
    const script = join(t.testdir({}), 'publish-event.lua')
    await runGuide(t, 'publishing.md', { replace: { 'portcullis publish-script': `${process.execPath} dist/cli/main.js publish-script`, ' publish-event.lua': ` ${script}` }, env: { REDIS_URL: redis.url } })
    await expectHeard(t, 'redis-cli', null)
  })
})
