import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import t, { type Test } from 'tap'
import { runExplain, type ExplainOptions } from '../../src/cli/explain/run-explain.js'
import { runCli } from './run-cli.js'

const SECRET = 'an-admin-token-of-at-least-32-bytes'
const TOKEN = 'eyJhbGciOiJSUzI1NiJ9.e30.c2ln'
const REFUSED = {
  outcome: 'invalid_token',
  steps: [
    { step: 'request', verdict: 'pass', because: 'the request for /ws is well-formed' },
    { step: 'token', verdict: 'fail', because: 'audience: aud is "x\u001b[2J", JWT_AUDIENCE is "y"', setting: 'JWT_AUDIENCE', claim: 'aud' },
    { step: 'user_slot', verdict: 'not_reached', because: 'an earlier step refuses' }
  ],
  limits: { address: { used: 3, limit: 10, reset_s: 24 }, user: { used: 1, limit: 5 } }
}

interface Asked { readonly authorization: string | undefined, readonly path: string | undefined, readonly body: unknown }

/** An admin port that answers this; what it was asked. */
async function startAdmin (t: Test, status: number, answer: unknown): Promise<{ readonly url: URL, readonly asked: Asked[] }> {
  const asked: Asked[] = []
  const read = async (request: IncomingMessage): Promise<string> => Buffer.concat(await request.toArray() as Buffer[]).toString()
  const server = createServer((request, response) => {
    void read(request).then((text) => {
      asked.push({ authorization: request.headers.authorization, path: request.url, body: JSON.parse(text) })
      response.writeHead(status).end(typeof answer === 'string' ? answer : JSON.stringify(answer))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { server.close() })
  return { url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`), asked }
}

const run = async (options: Omit<ExplainOptions, 'path'>, secret: string | undefined = SECRET, input = '') =>
  await runExplain({ path: '/ws', ...options }, secret, Readable.from([Buffer.from(input)]))

t.test('the token goes from the standard input to the gateway, and is shown nowhere; what refuses is marked', async (t) => {
  const { url, asked } = await startAdmin(t, 200, REFUSED)
  const { exitCode, stdout, stderr } = await run({ url, token: '-', agents: 'a1,a2', address: '192.0.2.1' }, `${SECRET},another`, `${TOKEN}\n`)
  t.same(asked, [{ authorization: `Bearer ${SECRET}`, path: '/v1/explain', body: { token: TOKEN, path: '/ws', address: '192.0.2.1', agent_ids: 'a1,a2' } }])
  t.equal(exitCode, 1)
  t.equal(stdout, [
    'ok    request      the request for /ws is well-formed',
    'fail  token        audience: aud is "x\\u001b[2J", JWT_AUDIENCE is "y" [JWT_AUDIENCE, claim aud]',
    '-     user_slot    an earlier step refuses',
    '',
    'attempts of the address: 3 of 10, room for one more in 24 s at the latest',
    'connections of the user: 1 of 5',
    'outcome: invalid_token',
    ''
  ].join('\n'))
  t.equal(stderr, '')
})

t.test('claims are given as JSON; one that is accepted ends with 0', async (t) => {
  const { url, asked } = await startAdmin(t, 200, { ...REFUSED, outcome: 'accepted', limits: {} })
  t.match(await run({ url, claims: '{"sub":"alice"}', json: true }), { exitCode: 0, stdout: /^\{\n {2}"outcome": "accepted"/ })
  t.same(asked[0]?.body, { claims: { sub: 'alice' }, path: '/ws' })
})

t.test('what is no answer is exit code 2, and says why', async (t) => {
  const { url } = await startAdmin(t, 401, { error: 'invalid_token' })
  t.match(await run({ url }), { exitCode: 2, stdout: '', stderr: /does not know this ADMIN_TOKEN/ })
  const bad = await startAdmin(t, 400, { error: 'bad_request', message: 'token or claims, not both' })
  t.match(await run({ url: bad.url }), { exitCode: 2, stderr: /answered 400: token or claims, not both/ })
  const older = await startAdmin(t, 404, '')
  t.match(await run({ url: older.url }), { exitCode: 2, stderr: /of an older release/ })
  const other = await startAdmin(t, 200, '<html>')
  t.match(await run({ url: other.url }), { exitCode: 2, stderr: /something else than an explanation/ })
  t.match(await run({ url }, ''), { exitCode: 2, stderr: /^portcullis: ADMIN_TOKEN is not set/ })
  t.match(await run({ url, claims: '[]' }), { exitCode: 2, stderr: /--claims: wanted a JSON object/ })
  t.match(await run({ url, claims: '{"sub":"a"}', token: '-' }), { exitCode: 2, stderr: 'portcullis: --token or --claims, not both\n' })
  t.match(await run({ url, token: TOKEN }), { exitCode: 2, stderr: /seen by everybody on this host/ })
  t.match(await run({ url: new URL('http://127.0.0.1:1') }), { exitCode: 2, stderr: /cannot be reached/ })
})

t.test('all that is wrong with what was given is said at once, and no token is waited for', async (t) => {
  const { url, asked } = await startAdmin(t, 200, REFUSED)
  const terminal = new Readable({ read () {} })
  const result = await runExplain({ path: '/ws', url, claims: '[]', token: '-' }, '', terminal)
  t.equal(result.exitCode, 2)
  t.equal(result.stderr, 'portcullis: ADMIN_TOKEN is not set: wanted is that of the gateway that is asked; --claims: wanted a JSON object; --token or --claims, not both\n')
  t.match(await run({ url, claims: '[]', token: 'no-such-file' }), { stderr: /--claims: [^;]+; [^;]+; --token: the file cannot be read/ })
  t.same(asked, [])
})

t.test('the built command has its help, and ends with the code', async (t) => {
  const { url, asked } = await startAdmin(t, 200, REFUSED)
  t.match(await runCli(['explain', '--help']), { code: 0, stdout: /--agents <ids>[^]*--tasks <ids>/ })
  t.match(await runCli(['rehearse', '--help']), { code: 0, stdout: /--with <settings\.\.\.>/ })
  t.match(await runCli(['explain', '--url', `${url.origin}/gate/`, '--claims', '{"sub":"a"}'], { ADMIN_TOKEN: SECRET }), { code: 1, stdout: /outcome: invalid_token\n$/ })
  t.same(asked.map(({ path }) => path), ['/gate/v1/explain'])
  t.match(await runCli(['rehearse', 'no-such.log', '--with', 'WS_IP_CONNECTIONS=20']), { code: 2, stderr: /ENOENT/ })
  t.match(await runCli(['rehearse', '--with', 'WS_IP_CONNECTIONS=20', 'no-such.log']), { code: 2, stderr: /ENOENT/ })
  t.match(await runCli(['rehearse', '--with', 'WS_IP_CONNECTIONS=20']), { code: 2, stderr: /one log at least/ })
  t.match(await runCli(['explain', '--url', 'ftp://x']), { code: 2, stderr: /http or https/ }, '1 would mean that somebody is refused')
})
