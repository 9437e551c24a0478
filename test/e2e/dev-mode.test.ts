import { once } from 'node:events'
import { request, type RequestOptions } from 'node:http'
import t from 'tap'
import WebSocket from 'ws'
import { connect, connectRefused } from '../support/client.js'
import { findFreePort } from '../support/free-port.js'
import { runGateway, startGateway } from '../support/gateway.js'
import { offenders } from '../support/offenders.js'

const program = 'dist/dev/main.js'

async function statusAs (host: string, port: number, path: string, { method = 'GET', headers = {} }: RequestOptions = {}): Promise<number | undefined> {
  return await new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, path, method, headers: { ...headers, Host: host } }, (response) => {
      response.resume()
      resolve(response.statusCode)
    }).on('upgrade', (response, socket) => {
      socket.destroy()
      resolve(response.statusCode)
    }).on('error', reject).end()
  })
}

const UPGRADE = { Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==' }

t.test('dev mode', async (t) => {
  const port = await findFreePort()
  const gateway = await startGateway(t, { PORT: String(port) }, { program })
  const base = `http://127.0.0.1:${port}`
  const mint = async (query: string): Promise<Response> => await fetch(`${base}/dev/token?${query}`)

  await t.test('serves a page that may load nothing from elsewhere', async (t) => {
    const response = await fetch(`${base}/`)
    t.equal(response.status, 200)
    t.match(response.headers.get('content-type'), /^text\/html/)
    t.match(response.headers.get('content-security-policy'), /default-src 'none'/)
    t.match(await response.text(), /<title>/)
  })

  await t.test('mints RS256 tokens whose public keys it serves', async (t) => {
    const response = await mint('sub=bob&agents=a1,a2&tasks=t1&scope=ws:send&ttl=300')
    t.match(response.headers.get('content-type'), /^text\/plain/)
    const [header = '', payload = ''] = (await response.text()).split('.')
    const [head, claims] = [header, payload].map(part => JSON.parse(Buffer.from(part, 'base64url').toString()) as Record<string, unknown>)
    t.match(head, { alg: 'RS256', kid: String })
    t.match(claims, { sub: 'bob', agents: ['a1', 'a2'], tasks: ['t1'], scope: 'ws:send' })
    t.equal(Number(claims?.['exp']) - Number(claims?.['iat']), 300)
    const { keys } = await (await fetch(`${base}/dev/jwks.json`)).json() as { keys: Array<Record<string, unknown>> }
    t.match(keys, [{ kty: 'RSA', kid: head?.['kid'] }])
    t.equal(keys[0]?.['d'], undefined, 'never the private key')
  })

  await t.test('connects with such a token, subscribes and sends', async (t) => {
    const token = await (await mint('sub=carol&agents=a1&ttl=60')).text()
    const client = await connect(t, gateway, `/ws?token=${token}&agent_ids=a1`)
    t.equal((await client.next())['user_id'], 'carol')
    t.same((await client.next())['agent_ids'], ['a1'])
    client.send({ type: 'send', to: 'agent:a1', data: 'hello' })
    t.equal((await client.next()).type, 'sent')
  })

  await t.test('refuses what production refuses', async (t) => {
    t.equal((await connectRefused(t, gateway, '/ws')).body['error'], 'missing_token')
    t.equal((await connectRefused(t, gateway, `/ws?token=${await (await mint('ttl=-60')).text()}`)).body['error'], 'expired_token')
    t.equal((await connectRefused(t, gateway, `/ws?token=${await (await mint('agents=a1')).text()}&agent_ids=a9`)).status, 403)
    t.equal((await mint('ttl=999999')).status, 400)
  })

  await t.test('answers under loopback names only, so that no web page can rebind its name to it', async (t) => {
    for (const path of ['/', '/dev/token', '/dev/jwks.json', '/dev/console.json', '/dev/example', '/client/connect.js']) {
      t.same(await offenders([`evil.example:${port}`, 'localhost.evil.example', '127.0.0.1.evil.example', '192.168.0.1'], async host => await statusAs(host, port, path) === 403), [])
      t.same(await offenders([`localhost:${port}`, `127.0.0.1:${port}`, `[::1]:${port}`], async host => await statusAs(host, port, path) === 200), [])
    }
  })

  await t.test('and so does every other request, on both ports: a page that rebound its name could send any', async (t) => {
    const token = await (await mint('sub=rebound')).text()
    const { publish_key: key } = await (await fetch(`${base}/dev/console.json`)).json() as { publish_key: string }
    const secret = /Bearer (\S+)\)$/m.exec(gateway.stderr())?.[1] ?? ''
    const asOperator = { headers: { Authorization: `Bearer ${secret}` } }
    const requests: ReadonlyArray<readonly [number, string, RequestOptions, number]> = [
      [port, `/ws?token=${token}`, { headers: UPGRADE }, 101],
      [port, `/ws?token=${token}&refuse=close`, { headers: UPGRADE }, 101],
      [port, '/ws', {}, 426],
      [port, '/nothing', {}, 404],
      [port, '/v1/publish', { method: 'POST', headers: { 'X-Publish-Key': key } }, 400],
      [gateway.adminPort, '/v1/publish', { method: 'POST', headers: { 'X-Publish-Key': key } }, 400],
      [gateway.adminPort, '/v1/recheck', { method: 'POST', ...asOperator }, 204],
      [gateway.adminPort, '/v1/connections?user_id=alice', asOperator, 200],
      [gateway.adminPort, '/metrics', {}, 200],
      [gateway.adminPort, '/healthz', {}, 200],
      [gateway.adminPort, '/nothing', {}, 404]
    ]
    t.same(await offenders(requests, async ([at, path, options]) => await statusAs(`evil.example:${at}`, at, path, options) === 403), [])
    t.same(await offenders(requests, async ([at, path, options, status]) => await statusAs(`localhost:${at}`, at, path, options) === status), [])
  })

  await t.test('has secrets of its own at every start, which the console page and the greeting know', async (t) => {
    const other = await startGateway(t, { PORT: String(await findFreePort()) }, { program })
    const secretsOf = ({ stderr }: typeof gateway): readonly string[] => [/Bearer (\S+)\)$/m, /X-Publish-Key: (\S+)\)$/m].map(pattern => pattern.exec(stderr())?.[1] ?? '')
    const secrets = [...secretsOf(gateway), ...secretsOf(other)]
    t.same(secrets.map(secret => secret.length), [32, 32, 32, 32])
    t.equal(new Set(secrets).size, 4)
    const { publish_key: key } = await (await fetch(`http://127.0.0.1:${other.port}/dev/console.json`)).json() as { publish_key: string }
    t.equal(key, secrets[3])
    const publish = async (key: string): Promise<number> => (await fetch(`http://127.0.0.1:${other.port}/v1/publish`, {
      method: 'POST', headers: { 'X-Publish-Key': key }, body: '{"topic":"agent:a1","event":"e","data":1}'
    })).status
    t.equal(await publish(key), 202)
    t.equal(await publish(secrets[1] ?? ''), 401, 'not the other\'s')
  })

  await t.test('prints where it is, a token and a line that connects', async (t) => {
    t.match(gateway.stderr(), `http://127.0.0.1:${port}/`)
    t.match(gateway.stderr(), `ws://127.0.0.1:${port}/ws`)
    const token = /^ {2}(eyJ\S+)$/m.exec(gateway.stderr())?.[1] ?? ''
    t.equal((await (await connect(t, gateway, `/ws?token=${token}`)).next()).type, 'welcome')
  })
})

t.test('dev mode never listens beyond loopback', async (t) => {
  const refused = [['HOST', '0.0.0.0'], ['HOST', '::'], ['HOST', '127.evil.example'], ['ADMIN_HOST', '192.0.2.1']] as const
  for (const [setting, host] of refused) {
    const { code, stderr } = await runGateway({ [setting]: host, PORT: String(await findFreePort()), ADMIN_PORT: '0' }, program)
    t.equal(code, 1, `${setting} ${host}`)
    t.match(stderr, new RegExp(`^portcullis: [^\\n]* ${setting} must be a loopback address\\n$`))
  }
})

t.test('dev mode wants to know its port, which its tokens name', async (t) => {
  const { code, stderr } = await runGateway({ PORT: '0', ADMIN_PORT: '0' }, program)
  t.equal(code, 1)
  t.match(stderr, /^portcullis: [^\n]* PORT [^\n]*\n$/)
})

t.test('dev mode can be had on any loopback address, and verifies its own tokens there', async (t) => {
  for (const [HOST, host] of [['::1', '[::1]'], ['127.0.0.9', '127.0.0.9']] as const) {
    const port = await findFreePort()
    const gateway = await startGateway(t, { HOST, PORT: String(port), ADMIN_PORT: '0' }, { program })
    const token = await (await fetch(`http://${host}:${port}/dev/token`)).text()
    const client = new WebSocket(`ws://${host}:${port}/ws?token=${token}`)
    const [frame] = await once(client, 'message') as [Buffer]
    t.match(JSON.parse(String(frame)), { type: 'welcome', user_id: 'alice' }, HOST)
    client.terminate()
    t.match(gateway.stderr(), `  page      http://${host}:${port}/`)
  }
})

t.test('production has none of its endpoints', async (t) => {
  const gateway = await startGateway(t, { JWT_ISSUER: 'http://127.0.0.1:1', JWT_AUDIENCE: 'x', JWT_JWKS_URI: 'http://127.0.0.1:1/jwks' }, { ready: false })
  t.same(await offenders(['/', '/dev/token', '/dev/jwks.json', '/dev/console.json', '/dev/example', '/client/connect.js'], async path => (await fetch(`http://127.0.0.1:${gateway.port}${path}`)).status === 404), [])
})
