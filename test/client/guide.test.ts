import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import t from 'tap'
import { CLOSE_POLICY } from '../../packages/client/src/close-policy.js'
import { startIssuer } from '../support/issuer.js'
import { PROJECT } from '../support/root.js'
import { until } from '../support/until.js'
import { servePage } from './browser.js'
import { startRestartableGateway } from './restartable-gateway.js'

const GUIDE = readFileSync(new URL('docs/CLIENT.md', PROJECT), 'utf8')
const EXAMPLES = [...GUIDE.matchAll(/^```js\n(.*?)^```$/gms)].map(([, code = '']) => code)

t.test('the examples of the guide, one after the other, are a program that does what it says', async (t) => {
  t.equal(EXAMPLES.length, 2)
  const [issuer, site] = await Promise.all([startIssuer(t), servePage(t)])
  site.token = () => issuer.sign({ agents: ['a1', 'a2'], tasks: ['t1'], scope: 'ws:send' })
  const gateway = await startRestartableGateway(t, issuer)
  const program = EXAMPLES.join('\n')
    .replace("'portcullis/client'", JSON.stringify(new URL('dist/client/connect.js', PROJECT).href))
    .replace('wss://gateway.example/ws', gateway.url)
    .replace('https://app.example', site.origin)
  const child = spawn(process.execPath, ['--input-type=module'], { stdio: ['pipe', 'pipe', 'inherit'] })
  t.teardown(async () => {
    child.kill()
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => { output += text })
  child.stdin.end(program)
  await until('the last line', () => output.includes('forbidden'))
  await gateway.publish('agent:a1', 'status', { state: 'busy' })
  await until('the event', () => output.includes("agent:a1 status { state: 'busy' }"))
  t.same(output.trim().split('\n'), ['connecting', 'open', 'stored', 'forbidden null', "agent:a1 status { state: 'busy' }"])
})

t.test('the guide\'s table of closes is the client\'s', async (t) => {
  const table = GUIDE.slice(GUIDE.indexOf('<!-- closes -->'), GUIDE.indexOf('<!-- /closes -->'))
  const rows = [...table.matchAll(/^\| (\d+) \| `(\w+)` \| (.+) \|$/gm)].map(([, code, name = '', reconnect]) => [name, { code: Number(code), reconnect }])
  t.same(Object.fromEntries(rows), CLOSE_POLICY)
})
