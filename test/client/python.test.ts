// The Python client against a real gateway, and as its README has it.
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { REFUSALS } from '../../src/refusals.js'
import { findPython } from '../support/find-python.js'
import { startIssuer } from '../support/issuer.js'
import { startRedis } from '../support/redis.js'
import { PROJECT } from '../support/root.js'
import { until } from '../support/until.js'
import { PYTHON_ENV } from './python-application.js'
import { ADMIN_TOKEN, startRestartableGateway } from './restartable-gateway.js'
import { runPython } from './run-python.js'
import { startScriptedServer } from './scripted-server.js'

const { python, missing } = findPython()
const FOLDER = fileURLToPath(new URL('clients/python/', PROJECT))
const README = readFileSync(`${FOLDER}README.md`, 'utf8')
const EXAMPLES = [...README.matchAll(/^```python\n(.*?)^```$/gms)].map(([, code = '']) => code)

t.test('over a restart of the gateway nothing is lost, and an operator who ends the connection ends the client', { skip: missing }, async (t) => {
  const [issuer, redis] = await Promise.all([startIssuer(t), startRedis(t)])
  const gateway = await startRestartableGateway(t, issuer, { REDIS_URL: redis.url, WS_DRAIN_SECONDS: '1' })
  const token = issuer.sign({ sub: 'alice', agents: ['a1', 'a2'], scope: 'ws:send' })
  const program = runPython(t, python, `
import asyncio, sys
from portcullis_client import Backoff, ClientClosed, RequestError, connect

async def main():
    async with connect(${JSON.stringify(gateway.url)}, lambda reason: ${JSON.stringify(token)}, backoff=Backoff(20, 100)) as client:
        client.on("state", lambda state: print(state.status, "" if state.because is None else state.because.name))
        client.on("recovered", lambda told: print(sorted(told["topics"].items())))
        events = client.events()
        await client.opened()
        await client.subscribe(agents=["a1"])
        await client.send("agent:a1", {"big": 2 ** 80}, id="message-1")
        try:
            await client.send("agent:not-mine", 1)
        except RequestError as error:
            print(error.reason)
        try:
            async for event in events:
                print(event["topic"], event["data"], event.get("replayed", False))
        except ClientClosed as closed:
            print("ended by", closed.because.name, closed.because.code)

asyncio.run(main())
`)
  await until('the refusal', () => program.lines().includes('forbidden'))
  t.match(await redis.client.xrange('ws:inbound', '-', '+'), [[/./, ['connection_id', /./, 'user_id', 'alice', 'to', 'agent:a1', 'data', '{"big":1208925819614629174706176}']]])
  await gateway.publish('agent:a1', 'x', 1)
  await until('the first event', () => program.lines().includes('agent:a1 1 False'))

  gateway.current().signal('SIGTERM')
  await gateway.current().exited
  // Published while the client has no connection: by another gateway in the same Redis.
  const other = await startRestartableGateway(t, issuer, { REDIS_URL: redis.url })
  await other.publish('agent:a1', 'x', 2)
  await gateway.start()
  await until('what was missed', () => program.lines().includes('agent:a1 2 True'))
  await until('it is open', () => program.lines().filter(line => line.startsWith('open')).length === 2)
  t.ok(program.lines().includes("[('agent:a1', True)]"))
  t.ok(program.lines().includes("[('user:alice', True)]"))

  const path = `http://127.0.0.1:${gateway.current().adminPort}/v1/users/alice/connections`
  await fetch(path, { method: 'DELETE', headers: { Authorization: `Bearer ${ADMIN_TOKEN}` } })
  t.equal(await program.exited, 0)
  t.equal(program.errors(), '', 'no coroutine and no exception was left alone')
  t.same(program.lines().slice(-2), ['closed disconnected', 'ended by disconnected 4403'])
})

t.test('it comes back after each close as the gateway\'s table says', { skip: missing }, async (t) => {
  const code = 'import json, portcullis_client; print(json.dumps(dict(portcullis_client.CLOSE_POLICY)))'
  const { stdout } = await promisify(execFile)(python, ['-c', code], { env: PYTHON_ENV })
  const closes = Object.entries(REFUSALS).filter(([, { closeCode }]) => closeCode !== null)
  const promised = closes.map(([name, { closeCode, reconnect }]) => [name, [closeCode, reconnect]])
  t.same(JSON.parse(stdout), Object.fromEntries(promised))
})

t.test('the example of its README is a program that does what it says', { skip: missing }, async (t) => {
  const server = await startScriptedServer(t, (peer) => {
    peer.welcome({ positions: { 'user:alice': 'u1:0' } })
  }, (peer, frame) => {
    peer.send({ type: 'subscribed', id: frame['id'], agent_ids: ['a1'], task_ids: [], positions: { 'agent:a1': 'e1:0' } })
    peer.send({ type: 'event', topic: 'agent:a1', event: 'status', data: { state: 'busy' }, ts: '', pos: 'e1:1' })
  })
  const program = runPython(t, python, (EXAMPLES[0] ?? '')
    .replace('wss://gateway.example/ws', server.url)
    .replace('await fetch_token_of_your_issuer()', "'a.b.c'"))
  await until('the event', () => program.lines().length === 1)
  t.equal(program.errors(), '')
  t.same(program.lines(), ["agent:a1 status {'state': 'busy'}"])
  t.equal(server.peers[0]?.token, '', 'its token is in a header')
})

t.test('its types are strict, and its lines within their length', { skip: missing }, async (t) => {
  const files = readdirSync(FOLDER, { recursive: true, encoding: 'utf8' }).filter(file => file.endsWith('.py'))
  t.ok(files.length > 30)
  const linesOf = (file: string): string[] => readFileSync(FOLDER + file, 'utf8').split('\n')
  t.same(files.filter(file => linesOf(file).length > 250 || linesOf(file).some(line => line.length > 140)), [])
  const checker = promisify(execFile)(python, ['-m', 'mypy', '--cache-dir', t.testdir({}), 'src', 'tests'], { cwd: FOLDER, env: PYTHON_ENV })
  const { stdout, stderr } = await checker.catch((error: unknown) => error as { readonly stdout: string, readonly stderr: string })
  // Debian's Python on the image's platform has none.
  t.match(stderr.includes('No module named mypy') ? 'Success elsewhere' : stdout, /^Success/)
})
