// What the Python client does that a page cannot: it reads HTTP refusals, has a log, follows nobody, and is used by asyncio's own means.
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { findPython } from '../support/find-python.js'
import { until } from '../support/until.js'
import { runPython, type PythonProgram } from './run-python.js'
import { startScriptedServer } from './scripted-server.js'

const { python, missing } = findPython()
const WAY = { skip: missing }

async function listen (t: Test, listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { server.closeAllConnections(); server.close() })
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** A program that tells each state, and does what `body` says with its client. */
const program = (url: string, body: string, options = ''): string => `
import asyncio, logging, shelve, sys
from portcullis_client import Backoff, ClientClosed, RequestError, connect

async def main():
    client = connect("${url}", lambda reason: "head.claims-of-alice.signature", backoff=Backoff(1, 1)${options})
    def tell(state):
        because = state.because
        print(state.status, "" if because is None else (because.name, because.retry_after_ms, repr(because.cause)))
    client.on("state", tell)
${body.trim().split('\n').map(line => `    ${line}`).join('\n')}

asyncio.run(main())
`
const UNTIL_CLOSED = `
try:
    await client.opened()
except ClientClosed as closed:
    print("raised", closed.because.name)
`
async function ends (t: Test, { lines, errors, exited }: PythonProgram): Promise<string[]> {
  t.equal(await exited, 0, errors())
  t.equal(errors(), '')
  return lines()
}

t.test('an HTTP refusal is read: a ban is waited for, a malformed request is the end', WAY, async (t) => {
  const answers = [
    { status: 403, headers: { 'Retry-After': '0' }, body: '{"error":"banned"}' }, { status: 503, headers: {}, body: '{"error":"overloaded","retry_after_s":0}' },
    { status: 502, headers: {}, body: 'a proxy says so' }, { status: 400, headers: {}, body: '{"error":"bad_request"}' }
  ]
  const host = await listen(t, (_request, response) => {
    const answer = answers.shift()
    response.writeHead(answer?.status ?? 500, { ...answer?.headers, Connection: 'close' }).end(answer?.body)
  })
  const told = await ends(t, runPython(t, python, program(`ws://${host}/ws`, UNTIL_CLOSED)))
  t.same(told.filter(line => !line.startsWith('connecting')), [
    "waiting ('banned', 0.0, 'None')", "waiting ('overloaded', 0.0, 'None')", "waiting ('connection_lost', None, 'None')",
    "closed ('bad_request', None, 'None')", 'raised bad_request'
  ])
})

t.test('a redirect is not followed: the token goes to the gateway alone, with an upgrade and for a ticket', WAY, async (t) => {
  const elsewhere: string[] = []
  const other = await listen(t, (request, response) => {
    elsewhere.push(String(request.headers.authorization))
    response.writeHead(404).end()
  })
  const seen: string[] = []
  const host = await listen(t, (request, response) => {
    seen.push(`${request.method} ${new URL(request.url ?? '', 'http://x').pathname} ${request.headers.authorization}`)
    const [status, scheme] = seen.length > 2 ? [400, ''] : request.method === 'POST' ? [307, 'http'] : [302, 'ws']
    response.writeHead(status, { Location: `${scheme}://${other}/ws`, Connection: 'close' }).end()
  })
  await ends(t, runPython(t, python, program(`ws://${host}/ws`, UNTIL_CLOSED, ', tickets=True')))
  const bearer = 'Bearer head.claims-of-alice.signature'
  t.same(seen.slice(0, 3), [`POST /v1/tickets ${bearer}`, `GET /ws ${bearer}`, `POST /v1/tickets ${bearer}`])
  t.same(elsewhere, [])
})

t.test('with tickets it comes in by one, and its token stands in no header and no address', WAY, async (t) => {
  let asked = 0
  const desk = await listen(t, (_request, response) => { response.writeHead(201, { Connection: 'close' }).end(JSON.stringify({ ticket: `ticket-${++asked}` })) })
  const heads: string[] = []
  const server = await startScriptedServer(t, (peer, n) => {
    heads.push(JSON.stringify([peer.query.get('ticket'), peer.head.authorization ?? null]))
    if (n <= 2) peer.close(4401, { error: 'invalid_token' })
    else peer.welcome()
  })
  const body = 'await client.opened()\nclient.close()\nawait client.wait_closed()'
  const told = await ends(t, runPython(t, python, program(server.url, body, `, tickets="http://${desk}/tickets"`)))
  t.same(heads, ['["ticket-1",null]', '["ticket-2",null]', '[null,"Bearer head.claims-of-alice.signature"]'], 'two are tried, and then the token')
  t.same(told.map(line => line.split(' ')[0]), ['connecting', 'open', 'closed'], 'neither counts as a refused token')
})

t.test('its log says what it does, also where the program logs everything, and never the token or the data of a frame', WAY, async (t) => {
  const server = await startScriptedServer(t, (peer) => {
    peer.welcome()
    peer.send({ type: 'event', topic: 'user:alice', event: 'x', data: 'what only alice may read', ts: '' })
  })
  const body = `
logging.basicConfig(level=logging.DEBUG, stream=sys.stdout)
await client.opened()
await client.send("agent:a1", "what only the back end may read")
client.close()
await client.wait_closed()`
  const told = (await ends(t, runPython(t, python, program(server.url, body)))).join('\n')
  t.match(told, /DEBUG:portcullis_client:received welcome/)
  t.match(told, /DEBUG:portcullis_client:closed because of closed/)
  t.notMatch(told, /claims-of-alice|signature|may read/)
})

t.test('what a token callback raises is the cause; one that hangs is called off', WAY, async (t) => {
  const code = program('ws://127.0.0.1:9/ws', `
answers = iter(["away", "hang", "gone"])
${UNTIL_CLOSED}`, ', timeout_ms=50').replace('lambda reason: "head.claims-of-alice.signature"', 'token').replace('async def main', `
calls = iter(["raise", "hang", "rubbish", "none"])
async def token(reason):
    what = next(calls)
    if what == "raise":
        raise OSError("the sign-in service is away")
    if what == "hang":
        await asyncio.Event().wait()
    return None if what == "none" else "no token"

async def main`)
  const told = await ends(t, runPython(t, python, code))
  t.same(told.filter(line => line.startsWith('waiting') || line.startsWith('closed')), [
    "waiting ('token_failed', None, \"OSError('the sign-in service is away')\")",
    "waiting ('token_failed', None, \"TimeoutError('the token callback gave nothing in time')\")",
    "waiting ('token_failed', None, \"ValueError('the token callback gave what is no JWT')\")",
    "closed ('signed_out', None, 'None')"
  ])
})

t.test('a stream of events ends with the client, says when it was left unread, and a wait that is called off leaves its subscription', WAY, async (t) => {
  const server = await startScriptedServer(t, (peer) => { peer.welcome() }, (peer, frame) => {
    peer.send({ type: 'subscribed', id: frame['id'], agent_ids: frame['agent_ids'], task_ids: [] })
    // The scripted gateway takes two ids a list.
    if (peer.got.length === 2) for (const data of [1, 2, 3]) peer.send({ type: 'event', topic: 'agent:a1', event: 'x', data, ts: '' })
  })
  const body = `
short, whole = client.events(max_unread=2), client.events()
await client.opened()
asking = asyncio.ensure_future(client.subscribe(agents=["a1", "a2", "a3"]))
await asyncio.sleep(0)
asking.cancel()
print("whole", [(await anext(whole))["data"] for _ in range(3)])
try:
    async for event in short:
        print("short", event["data"])
except RequestError as error:
    print(error.reason)
client.close()
async for event in whole:
    print("never")
await client.wait_closed()
print("the end")`
  const told = await ends(t, runPython(t, python, program(server.url, body)))
  t.same(told.slice(2, -2), ['whole [1, 2, 3]', 'short 1', 'short 2', 'queue_full'])
  t.equal(told.at(-1), 'the end')
})

t.test('a dead connection is found by pings that are no messages', WAY, async (t) => {
  const server = await startScriptedServer(t, (peer, n) => {
    peer.welcome()
    // No longer read: pings are not answered.
    if (n === 1) setImmediate(() => { peer.socket.pause() })
  })
  const code = program(server.url, 'await asyncio.Event().wait()', ', keep_alive_ms=50, timeout_ms=500')
  const { lines } = runPython(t, python, code)
  await until('another connection', () => server.peers.length === 2)
  t.ok(lines().includes("waiting ('silent', None, 'None')"), lines().join('; '))
  t.same(server.peers[0]?.got, [])
})

t.test('a program that starts again goes on where it was, by a shelve', WAY, async (t) => {
  const sinces: Array<string | null> = []
  const server = await startScriptedServer(t, (peer) => {
    const since = peer.query.get('since')
    sinces.push(since)
    peer.welcome({ positions: { 'user:alice': 'u1:4' }, ...(since === null ? {} : { recovered: true }) })
    peer.send({ type: 'event', topic: 'user:alice', event: 'x', data: 5, ts: '', pos: 'u1:5' })
  })
  const path = `${t.testdir({})}/positions`
  const body = 'print((await anext(client.events()))["data"] if not client.state.user_id else "")\nclient.close()\nawait client.wait_closed()'
  const claims = Buffer.from('{"iss":"i","sub":"alice"}').toString('base64url')
  const start = (): PythonProgram => runPython(t, python, program(server.url, body, `, storage=shelve.open(${JSON.stringify(path)})`).replace('claims-of-alice', claims))
  await ends(t, start())
  const second = start()
  await until('the second is there', () => sinces.length === 2)
  t.same(sinces, [null, 'u1:5'])
  await until('it was told', () => second.lines().length > 0)
})
