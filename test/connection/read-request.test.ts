import t from 'tap'
import type { TokenCarrier } from '../../src/config/config.js'
import { isRefusal, readRequest, type UpgradeRequest } from '../../src/connection/read-request.js'
import type { UpgradeHead, UpgradeHeaders } from '../../src/connection/transport.js'
import type { Refusal } from '../../src/refusals.js'
import { offenders } from '../support/offenders.js'
import { headOf, upgradeSettings } from './stand-ins.js'

const SETTINGS = upgradeSettings()
const read = (
  query: string, headers: Partial<UpgradeHeaders> = {}, more: Partial<UpgradeHead> = {}, carriers?: readonly TokenCarrier[]
): UpgradeRequest | Refusal =>
  readRequest(headOf(query, headers, more), carriers === undefined ? SETTINGS : upgradeSettings({ carriers: new Set(carriers) }))
const nameOf = (result: UpgradeRequest | Refusal): string => isRefusal(result) ? result.name : 'read'
const tokenOf = (result: UpgradeRequest | Refusal): string | null => isRefusal(result) ? result.name : result.token
const numbered = (count: number): string => Array.from({ length: count }, (_, index) => `id${index}`).join(',')

t.test('a plain request is read with nothing but its path and host', async (t) => {
  t.same(read(''), {
    path: '/ws',
    origin: '',
    host: 'gateway.example',
    token: null,
    ticket: null,
    protocol: '',
    agents: null,
    tasks: null,
    eventTypes: null,
    refuseByClose: false,
    resume: null,
    since: null
  })
})

t.test('what is no WebSocket handshake of version 13 must upgrade', async (t) => {
  const heads: ReadonlyArray<readonly [Partial<UpgradeHeaders>, string]> = [
    [{ upgrade: 'WebSocket', connection: 'keep-alive, Upgrade' }, 'read'],
    [{ connection: 'upgrade' }, 'read'],
    [{ upgrade: '' }, 'upgrade_required'],
    [{ upgrade: 'h2c' }, 'upgrade_required'],
    [{ connection: '' }, 'upgrade_required'],
    [{ connection: 'keep-alive' }, 'upgrade_required'],
    [{ connection: 'noupgrade' }, 'upgrade_required'],
    [{ connection: 'upgrade-insecure' }, 'upgrade_required'],
    [{ secWebSocketVersion: '8' }, 'upgrade_required'],
    [{ secWebSocketVersion: '' }, 'upgrade_required'],
    [{ secWebSocketVersion: '13, 13' }, 'upgrade_required'],
    [{ secWebSocketKey: '' }, 'bad_request'],
    [{ secWebSocketKey: 'short' }, 'bad_request'],
    [{ secWebSocketKey: 'dGhlIHNhbXBsZSBub25jZSE=' }, 'bad_request'],
    [{ secWebSocketKey: 'dGhlIHNhbXBsZSBub25jZQ==, dGhlIHNhbXBsZSBub25jZQ==' }, 'bad_request']
  ]
  t.same(await offenders(heads, ([headers, expected]) => nameOf(read('', headers)) === expected), [])
})

t.test('a token is taken from the query, the header, or the subprotocol', async (t) => {
  t.equal(tokenOf(read('token=a.b.c')), 'a.b.c')
  t.equal(tokenOf(read('', { authorization: 'Bearer a.b.c' })), 'a.b.c')
  t.equal(tokenOf(read('', { authorization: 'bearer   a.b.c ' })), 'a.b.c')
  const offered = read('', { secWebSocketProtocol: 'portcullis.v1, bearer.a.b.c' })
  t.match(offered, { token: 'a.b.c', protocol: 'portcullis.v1' }, 'the answer names the protocol, never the token')
  t.match(read('', { secWebSocketProtocol: 'bearer.a.b.c,portcullis.v1' }), { token: 'a.b.c', protocol: 'portcullis.v1' })
  t.match(read('token=a.b.c', { secWebSocketProtocol: 'chat' }), { token: 'a.b.c', protocol: '' }, 'a protocol that we do not speak is not chosen')
})

t.test('none is none', async (t) => {
  t.same(await offenders(['', 'token=', 'token', 'Token=a', '%74oken=a', 'access_token=a'], query => tokenOf(read(query)) === null), [])
  t.same(await offenders(['Basic dXNlcg==', 'Bearer', 'Bearer ', 'a.b.c', 'Bearera.b.c', 'Bearer a b'], authorization => tokenOf(read('', { authorization })) === null), [])
})

t.test('the same token twice is one; two that differ are refused, wherever they stand', async (t) => {
  const both = { authorization: 'Bearer a.b.c', secWebSocketProtocol: 'portcullis.v1, bearer.a.b.c' }
  t.equal(tokenOf(read('token=a.b.c', both)), 'a.b.c')
  t.equal(nameOf(read('token=x', both)), 'bad_request')
  t.equal(nameOf(read('token=a&token=b')), 'bad_request')
  t.equal(nameOf(read('', { authorization: 'Bearer a, Bearer b' })), 'bad_request', 'two header lines')
  t.equal(nameOf(read('', { secWebSocketProtocol: 'portcullis.v1, bearer.a, bearer.b' })), 'bad_request')
  t.equal(tokenOf(read('token=a', { authorization: 'Basic x' })), 'a', 'a proxy\'s own scheme is no token')
})

t.test('an empty bearer protocol beside ours is no token', async (t) => {
  t.match(read('', { secWebSocketProtocol: 'portcullis.v1, bearer.' }), { token: null, protocol: 'portcullis.v1' })
  t.match(read('token=a.b.c', { secWebSocketProtocol: 'bearer., portcullis.v1' }), { token: 'a.b.c', protocol: 'portcullis.v1' })
  t.match(read('', { secWebSocketProtocol: 'portcullis.v1, bearer., bearer.a' }), { token: 'a' })
})

t.test('a part of a bearer token with a comma in it never passes for the whole', async (t) => {
  for (const authorization of ['Bearer a,b', 'Bearer a, b', 'bearer a ,b', 'Bearer a,,b', 'Basic x, Bearer a,b', 'Bearer a,b=', 'Bearer a,b, Bearer a']) {
    t.equal(nameOf(read('', { authorization })), 'bad_request', authorization)
  }
  t.equal(tokenOf(read('', { authorization: 'Bearer a,b' }, {}, ['query'])), null, 'unless the header carries none')
})

t.test('schemes of others before and behind the bearer token are left alone', async (t) => {
  for (const authorization of ['Bearer a, Basic x', 'Basic x, Bearer a', 'Bearer a, Digest u="x", realm="y"', 'Digest u="x", r=y, Bearer a', 'Bearer a, Bearer a', ', Bearer a,']) {
    t.equal(tokenOf(read('', { authorization })), 'a', authorization)
  }
})

t.test('a carrier that is off carries nothing', async (t) => {
  const headers = { authorization: 'Bearer h', secWebSocketProtocol: 'portcullis.v1, bearer.p' }
  t.equal(tokenOf(read('token=q', headers, {}, ['query'])), 'q')
  t.equal(tokenOf(read('token=q', headers, {}, ['header'])), 'h')
  t.equal(tokenOf(read('token=q', headers, {}, ['protocol'])), 'p')
})

t.test('a bearer protocol alone is refused: its answer would have to name the token', async (t) => {
  t.same(await offenders(['bearer.a.b.c', 'chat, bearer.a.b.c', 'bearer.'], secWebSocketProtocol => nameOf(read('', { secWebSocketProtocol })) === 'bad_request'), [])
})

t.test('filters are read for the paths that take them', async (t) => {
  t.match(read('agent_ids=a,b&task_ids=*&event_types=x'), { agents: ['a', 'b'], tasks: '*', eventTypes: ['x'] })
  t.match(read('agent_ids=a', {}, { path: '/ws/agents' }), { path: '/ws/agents', agents: ['a'], tasks: null })
  t.match(read('task_ids=a&event_types=*', {}, { path: '/ws/tasks' }), { tasks: ['a'], eventTypes: '*' })
  t.equal(nameOf(read('task_ids=a', {}, { path: '/ws/agents' })), 'bad_request')
  t.equal(nameOf(read('agent_ids=a', {}, { path: '/ws/tasks' })), 'bad_request')
})

t.test('fifty ids pass, fifty-one are refused, and so is whatever is no list', async (t) => {
  for (const name of ['agent_ids', 'task_ids', 'event_types']) {
    t.equal(nameOf(read(`${name}=${numbered(50)}`)), 'read', name)
    t.same(await offenders([numbered(51), '', 'a,,b', 'a b', 'a%20b', '*,a', '%', '..%2f'], list => nameOf(read(`${name}=${list}`)) === 'bad_request'), [])
  }
})

t.test('how to be refused is `close` or nothing', async (t) => {
  t.match(read('refuse=close'), { refuseByClose: true })
  t.same(await offenders(['refuse=', 'refuse=http', 'refuse=Close', 'refuse=close&refuse=x'], query => nameOf(read(query)) === 'bad_request'), [])
})

t.test('a resume pass is taken as it is, and refuses nobody', async (t) => {
  t.match(read('resume=abc&token=t'), { resume: 'abc', token: 't' })
  for (const query of ['', 'resume=', 'resume=%', 'resume=a&resume=b', `resume=${'a'.repeat(257)}`]) t.match(read(query), { resume: null, path: '/ws' }, query.slice(0, 20))
})

t.test('parameters that nobody knows are ignored, also broken ones', async (t) => {
  t.equal(nameOf(read('v=%&utm=1&utm=2&__proto__=1&role=admin')), 'read')
})

t.test('no refusal repeats a value that was sent', async (t) => {
  const secret = 'hunter2'
  const results = [
    read(`token=${secret}&token=${secret}x`), read(`token=${secret}%`), read(`agent_ids=${secret}/`), read(`refuse=${secret}`), read(`agent_ids=*,${secret}`),
    read('', { secWebSocketProtocol: `bearer.${secret}` }), read('', { secWebSocketKey: secret }), read('', { authorization: `Bearer ${secret}, Bearer x` }),
    read('', { authorization: `Bearer ${secret},${secret}` })
  ]
  for (const result of results) {
    t.ok(isRefusal(result))
    t.notMatch(JSON.stringify(result), secret)
  }
})
