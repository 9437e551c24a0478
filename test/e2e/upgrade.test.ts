import t from 'tap'
import { NATIVE_ANSWERS } from '../support/binding.js'
import { connect, connectRefused, freshAddress } from '../support/client.js'
import { startGateway, trust } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
import { exchange, openRaw, readResponse, upgradeHead } from '../support/raw-socket.js'
import { until } from '../support/until.js'

const KEY = 'Sec-WebSocket-Key'

t.test('what a request must look like', async (t) => {
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, trust(issuer))
  let users = 0
  const token = (): string => issuer.sign({ sub: `user-${++users}` })
  const from = (): { from: string } => ({ from: freshAddress() })

  await t.test('the token comes by query, by header, or beside the subprotocol, which alone is answered', async (t) => {
    const byQuery = await connect(t, gateway, `/ws?token=${token()}`, from())
    t.equal((await byQuery.next()).type, 'welcome')
    t.equal(byQuery.protocol, '')
    const byHeader = await connect(t, gateway, '/ws', { ...from(), headers: { Authorization: `Bearer ${token()}` } })
    t.equal((await byHeader.next()).type, 'welcome')
    const jwt = token()
    const raw = await exchange(t, gateway, upgradeHead('/ws', { 'Sec-WebSocket-Protocol': `portcullis.v1, bearer.${jwt}` }), freshAddress())
    t.equal(raw?.status, 101)
    t.equal(raw?.headers.get('sec-websocket-protocol'), 'portcullis.v1')
    t.notMatch(JSON.stringify([...raw?.headers ?? []]), jwt.slice(-20))
    const split = await exchange(t, gateway, upgradeHead('/ws', { 'Sec-WebSocket-Protocol': ['portcullis.v1', `bearer.${token()}`] }), freshAddress())
    t.equal(split?.status, 101, 'two header lines mean the same as one')
  })

  await t.test('one token may come twice, but two that differ are 400 in every combination', async (t) => {
    const [one, two] = [token(), token()]
    const same = await connect(t, gateway, `/ws?token=${one}`, { ...from(), headers: { Authorization: `bearer ${one}` } })
    t.equal((await same.next()).type, 'welcome')
    const differing = [
      { path: `/ws?token=${one}`, headers: { Authorization: `Bearer ${two}` } },
      { path: `/ws?token=${one}&token=${two}`, headers: {} },
      { path: `/ws?token=${one}`, headers: { 'Sec-WebSocket-Protocol': `portcullis.v1, bearer.${two}` } },
      { path: '/ws', headers: { 'Sec-WebSocket-Protocol': `portcullis.v1, bearer.${one}, bearer.${two}` } },
      { path: '/ws', headers: { Authorization: [`Bearer ${one}`, `Bearer ${two}`] } }
    ]
    for (const { path, headers } of differing) {
      const refused = await exchange(t, gateway, upgradeHead(path, headers), freshAddress())
      t.equal(refused?.status, 400, JSON.stringify(Object.keys(headers)))
      t.match(refused?.body, /"error":"bad_request"/)
    }
  })

  await t.test('a bearer subprotocol alone is 400, as no protocol could be answered', async (t) => {
    const refused = await exchange(t, gateway, upgradeHead('/ws', { 'Sec-WebSocket-Protocol': `bearer.${token()}` }), freshAddress())
    t.equal(refused?.status, 400)
  })

  await t.test('/ws/agents and /ws/tasks take only their own filters', async (t) => {
    const jwt = issuer.sign({ sub: 'filterer', agents: ['a1'], tasks: ['t1'] })
    for (const [path, status] of [['/ws/agents?agent_ids=a1', 101], ['/ws/tasks?task_ids=t1', 101], ['/ws/agents?task_ids=t1', 400], ['/ws/tasks?agent_ids=a1', 400], ['/ws?agent_ids=a1&task_ids=t1', 101]] as const) {
      const answer = await exchange(t, gateway, upgradeHead(`${path}&token=${jwt}`), freshAddress())
      t.equal(answer?.status, status, path)
    }
  })

  const jwt = token()
  const shapes: ReadonlyArray<readonly [string, string, number, string]> = [
    ['a plain GET on a WebSocket path', 'GET /ws HTTP/1.1\r\nHost: localhost\r\n\r\n', 426, 'upgrade_required'],
    ['another path', 'GET /other HTTP/1.1\r\nHost: localhost\r\n\r\n', 404, 'not_found'],
    ['an upgrade on another path', upgradeHead(`/other?token=${jwt}`), 404, 'not_found'],
    ['a WebSocket path with a slash more', upgradeHead(`/ws/?token=${jwt}`), 404, 'not_found'],
    ['a WebSocket path in capitals', upgradeHead(`/WS?token=${jwt}`), 404, 'not_found'],
    ['version 8', upgradeHead(`/ws?token=${jwt}`, { 'Sec-WebSocket-Version': '8' }), 426, 'upgrade_required'],
    ['no version', upgradeHead(`/ws?token=${jwt}`, { 'Sec-WebSocket-Version': undefined }), 426, 'upgrade_required'],
    ['no Upgrade header', upgradeHead(`/ws?token=${jwt}`, { Upgrade: undefined }), 426, 'upgrade_required'],
    ['another Upgrade', upgradeHead(`/ws?token=${jwt}`, { Upgrade: 'h2c' }), 426, 'upgrade_required'],
    ['no Connection header', upgradeHead(`/ws?token=${jwt}`, { Connection: undefined }), 426, 'upgrade_required'],
    ['Connection: keep-alive', upgradeHead(`/ws?token=${jwt}`, { Connection: 'keep-alive' }), 426, 'upgrade_required'],
    ['an upgrade by POST', `${upgradeHead(`/ws?token=${jwt}`).replace('GET', 'POST').trimEnd()}\r\nContent-Length: 0\r\n\r\n`, 426, 'upgrade_required'],
    ['an upgrade by POST on another path', `${upgradeHead('/other').replace('GET', 'POST').trimEnd()}\r\nContent-Length: 0\r\n\r\n`, 404, 'not_found'],
    ['no key', upgradeHead(`/ws?token=${jwt}`, { [KEY]: undefined }), 400, 'bad_request'],
    ['a short key', upgradeHead(`/ws?token=${jwt}`, { [KEY]: 'abc' }), 400, 'bad_request'],
    ['a key that is no base64', upgradeHead(`/ws?token=${jwt}`, { [KEY]: '!!!!IHNhbXBsZSBub25jZQ==' }), 400, 'bad_request'],
    ['a broken escape in a known parameter', upgradeHead(`/ws?token=${jwt}&agent_ids=%zz`), 400, 'bad_request'],
    ['an escape that is no UTF-8', upgradeHead(`/ws?token=${jwt}&agent_ids=%ff`), 400, 'bad_request'],
    ['a known parameter twice with two values', upgradeHead(`/ws?token=${jwt}&agent_ids=a&agent_ids=b`), 400, 'bad_request'],
    ['an unknown refuse value', upgradeHead(`/ws?token=${jwt}&refuse=http`), 400, 'bad_request'],
    ['an empty refuse value', upgradeHead(`/ws?token=${jwt}&refuse=`), 400, 'bad_request'],
    ['an encoded separator inside a value', upgradeHead(`/ws?token=${jwt}&agent_ids=a%26refuse=close`), 400, 'bad_request'],
    ['an encoded separator inside the token', upgradeHead(`/ws?token=${jwt}%26x=y`), 401, 'invalid_token']
  ]
  for (const [what, head, status, name] of shapes) {
    await t.test(`${what} is ${status} ${name}`, async (t) => {
      const answer = await exchange(t, gateway, head, freshAddress())
      t.equal(answer?.status, status)
      t.equal((JSON.parse(answer?.body ?? '{}') as { error?: string }).error, name)
      t.equal(answer?.headers.get('content-type'), 'application/json')
      if (status === 426) t.equal(answer?.headers.get('sec-websocket-version'), '13')
    })
  }

  await t.test('unknown parameters, the same value twice and encoded plain characters are no offence', async (t) => {
    const claims = { sub: 'tolerated', agents: ['a1'] }
    for (const query of ['x=%zz&y', 'agent_ids=a1&agent_ids=a1', 'agent_ids=%61%31', '&&&', 'constructor=1&__proto__=2']) {
      const answer = await exchange(t, gateway, upgradeHead(`/ws?token=${issuer.sign(claims)}&${query}`), freshAddress())
      t.equal(answer?.status, 101, query)
    }
  })

  await t.test('what the native layer answers by itself, it answers as the operations page says', async (t) => {
    const { otherThanHttp11WithAPath, tooManyLines } = NATIVE_ANSWERS
    const path = `/ws?token=${token()}`
    const many = Object.fromEntries(Array.from({ length: tooManyLines.lines }, (_, n) => [`X-Line-${n}`, '1']))
    const heads: ReadonlyArray<readonly [string, number | null]> = [
      [upgradeHead(path, {}, 'HTTP/1.0'), otherThanHttp11WithAPath],
      [upgradeHead(`http://localhost:${gateway.port}${path}`), otherThanHttp11WithAPath],
      [upgradeHead(path, many), tooManyLines.status]
    ]
    for (const [n, [head, status]] of heads.entries()) {
      const raw = await openRaw(t, gateway.port, freshAddress())
      raw.write(head)
      if (status === null) {
        // It takes ten seconds to end such a connection: that others are answered meanwhile is enough.
        t.equal((await exchange(t, gateway, 'GET /other HTTP/1.1\r\nHost: localhost\r\n\r\n', freshAddress()))?.status, 404)
        t.equal(raw.received(), '', `head ${n}`)
      } else {
        t.equal((await readResponse(raw))?.status, status, `head ${n}`)
      }
    }
  })

  await t.test('a head of any size up to 15,000 bytes passes in one piece', async (t) => {
    for (const size of [4095, 4096, 4097, 15_000]) {
      const bare = upgradeHead(`/ws?token=${token()}`, { 'X-Padding': '' })
      const answer = await exchange(t, gateway, bare.replace('X-Padding: ', `X-Padding: ${'a'.repeat(size - bare.length)}`), freshAddress())
      t.equal(answer?.status, 101, `${size} bytes`)
    }
  })

  await t.test('a head may be cut anywhere, also inside the request line', async (t) => {
    const head = upgradeHead(`/ws?token=${token()}`)
    const pieces = [head.slice(0, 2), head.slice(2, 30), head.slice(30, 300), head.slice(300, -1), head.slice(-1)]
    t.equal((await exchange(t, gateway, pieces, freshAddress()))?.status, 101)
    const refused = upgradeHead('/ws')
    t.equal((await exchange(t, gateway, [...refused], freshAddress()))?.status, 401, 'byte by byte')
  })

  await t.test('a head or a query over 16 KB is refused, by us or by the native layer', async (t) => {
    const { status, name } = NATIVE_ANSWERS.headOver16Kb
    for (const head of [upgradeHead(`/ws?token=${jwt}`, { 'X-Padding': 'a'.repeat(17_000) }), upgradeHead(`/ws?token=${'a'.repeat(17_000)}`)]) {
      const answer = await exchange(t, gateway, head, freshAddress())
      t.equal(answer?.status, status)
      t.equal(answer?.headers.get('content-type'), name === undefined ? undefined : 'application/json')
      if (name !== undefined) t.equal((JSON.parse(answer?.body ?? '{}') as { error?: string }).error, name)
    }
  })

  await t.test('a long head in several pieces is served on the current binding and dropped on the older one, and nobody else notices', async (t) => {
    const head = upgradeHead(`/ws?token=${token()}`, { 'X-Padding': 'a'.repeat(12_000) })
    const answer = await exchange(t, gateway, [head.slice(0, 3000), head.slice(3000, 9000), head.slice(9000)], freshAddress())
    t.equal(answer?.status ?? null, NATIVE_ANSWERS.headOf12KbInPieces)
    t.equal((await exchange(t, gateway, upgradeHead('/ws'), freshAddress()))?.status, 401)
  })

  await t.test('what is pipelined behind an accepted upgrade is no request', async (t) => {
    const raw = await openRaw(t, gateway.port, freshAddress())
    raw.write(`${upgradeHead(`/ws?token=${token()}`)}GET /other HTTP/1.1\r\nHost: localhost\r\n\r\n`)
    t.equal((await readResponse(raw))?.status, 101)
    await gateway.admin('/healthz')
    t.notMatch(raw.received(), /not_found/)
  })

  await t.test('what is pipelined behind a refused upgrade gains nothing from it, and the connection ends', async (t) => {
    const raw = await openRaw(t, gateway.port, freshAddress())
    raw.write(upgradeHead('/ws') + upgradeHead('/ws') + upgradeHead('/other'))
    t.equal((await readResponse(raw))?.status, 401)
    await until('the connection ends', () => raw.socket.destroyed)
    t.notMatch(raw.received(), /HTTP\/1\.1 101/)
  })

  await t.test('after all this the process lives and no fault was logged', async (t) => {
    t.equal((await gateway.admin('/healthz')).status, 200)
    t.same(gateway.log.filter(line => line.event === 'fault'), [])
    t.equal(gateway.stderr(), '')
  })
})

t.test('WS_TOKEN_CARRIERS closes the other carriers', async (t) => {
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, { ...trust(issuer), WS_TOKEN_CARRIERS: 'header' })
  const jwt = issuer.sign()
  const byQuery = await connectRefused(t, gateway, `/ws?token=${jwt}`, { from: freshAddress() })
  t.equal(byQuery.body['error'], 'missing_token')
  const byProtocol = await exchange(t, gateway, upgradeHead('/ws', { 'Sec-WebSocket-Protocol': `portcullis.v1, bearer.${jwt}` }), freshAddress())
  t.equal(byProtocol?.status, 401)
  const byHeader = await connect(t, gateway, '/ws', { from: freshAddress(), headers: { Authorization: `Bearer ${jwt}` } })
  t.equal((await byHeader.next()).type, 'welcome')
})
