import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import t from 'tap'
import { CLOSE_POLICY } from '../../packages/client/src/close-policy.js'
import type { Lifetime } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
import { PROJECT } from '../support/root.js'
import { until } from '../support/until.js'
import { servePage } from './browser.js'
import { tokenOf } from './token-of.js'
import { startRestartableGateway } from './restartable-gateway.js'
import { startScriptedServer } from './scripted-server.js'

const GUIDE = readFileSync(new URL('docs/CLIENT.md', PROJECT), 'utf8')
const EXAMPLES = [...GUIDE.matchAll(/^```js\n(.*?)^```$/gms)].map(([, code = '']) => code)

/** Runs a program with the built client; returns what it has written so far. */
function run (t: Lifetime, program: string): () => string {
  const child = spawn(process.execPath, ['--input-type=module'], { stdio: ['pipe', 'pipe', 'inherit'] })
  t.teardown(async () => {
    child.kill()
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => { output += text })
  child.stdin.end(program.replace("'@portcullis/client'", JSON.stringify(new URL('packages/client/dist/index.js', PROJECT).href)))
  return () => output
}

t.test('the first examples of the guide, one after the other, are a program that does what it says', async (t) => {
  t.equal(EXAMPLES.length, 3)
  const [issuer, site] = await Promise.all([startIssuer(t), servePage(t)])
  site.token = () => issuer.sign({ agents: ['a1', 'a2'], tasks: ['t1'], scope: 'ws:send' })
  const gateway = await startRestartableGateway(t, issuer)
  const program = EXAMPLES.slice(0, 2).join('\n')
    .replace('wss://gateway.example/ws', gateway.url)
    .replace('https://app.example', site.origin)
  const output = run(t, program)
  await until('the last line', () => output().includes('forbidden'))
  await gateway.publish('agent:a1', 'status', { state: 'busy' })
  await until('the event', () => output().includes("agent:a1 status { state: 'busy' }"))
  t.same(output().trim().split('\n'), ['connecting', 'open', 'stored', 'forbidden null', "agent:a1 status { state: 'busy' }"])
})

/** What a page has and Node 20 lacks. */
const PAGE = `
  import WebSocket from 'ws'
  const kept = new Map()
  globalThis.WebSocket = WebSocket
  globalThis.sessionStorage = {
    getItem: key => kept.get(key) ?? null, setItem (key, value) { kept.set(key, value) }, removeItem (key) { kept.delete(key) }
  }
`

t.test('the guide\'s example of what was missed fetches a state where it must, and nowhere else', async (t) => {
  const site = await servePage(t)
  site.token = () => tokenOf('alice')
  const server = await startScriptedServer(t, (peer, n) => {
    peer.welcome({ positions: { 'user:alice': 'u1:0' }, ...(n === 1 ? {} : { recovered: true }) })
  }, (peer, frame) => {
    const isFirst = server.peers.length === 1
    const answer = { type: 'subscribed', id: frame['id'], agent_ids: ['a1'], task_ids: [], positions: { 'agent:a1': isFirst ? 'e1:0' : 'e1:1' } }
    peer.send({ ...answer, ...(isFirst ? {} : { recovered: { 'agent:a1': true } }) })
    if (isFirst) return
    t.same(frame['since'], { 'agent:a1': 'e1:0' })
    peer.send({ type: 'event', topic: 'agent:a1', event: 'status', data: 1, ts: '', pos: 'e1:1', replayed: true })
    peer.send({ type: 'gap', topics: { 'agent:a1': 'e2:0' } })
  })
  const program = (EXAMPLES[2] ?? '').replace('wss://gateway.example/ws', server.url).replaceAll('https://app.example', site.origin)
  const output = run(t, PAGE + program)
  await until('the first states', () => output().includes('the state of agent:a1 is busy'))
  server.peers[0]?.socket.terminate()
  const lines = (): string[] => output().trim().split('\n')
  await until('the state after the gap', () => lines().length === 4)
  t.same(lines().slice(0, 2).toSorted(), ['the state of agent:a1 is busy', 'the state of user:alice is busy'])
  t.same(lines().slice(2), ['agent:a1 status 1', 'the state of agent:a1 is busy'])
})

t.test('the guide\'s table of closes is the client\'s', async (t) => {
  const table = GUIDE.slice(GUIDE.indexOf('<!-- closes -->'), GUIDE.indexOf('<!-- /closes -->'))
  const rows = [...table.matchAll(/^\| (\d+) \| `(\w+)` \| (.+) \|$/gm)].map(([, code, name = '', reconnect]) => [name, { code: Number(code), reconnect }])
  t.same(Object.fromEntries(rows), CLOSE_POLICY)
})
