import t from 'tap'
import { connect, connectRefused, freshAddress } from '../support/client.js'
import { startGateway, trust } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'

const many = (count: number): string[] => Array.from({ length: count }, (_, i) => `a${i}`)

t.test('filters in the URL', async (t) => {
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, trust(issuer))
  let users = 0
  const path = (claims: object, query: string, base = '/ws'): string => `${base}?token=${issuer.sign({ sub: `user-${++users}`, ...claims })}&${query}`
  const from = (): { from: string } => ({ from: freshAddress() })

  await t.test('50 ids pass, and `subscribed` follows `welcome`', async (t) => {
    const client = await connect(t, gateway, path({ agents: many(60) }, `agent_ids=${many(50).join(',')}`), from())
    t.equal((await client.next()).type, 'welcome')
    const subscribed = await client.next()
    t.equal(subscribed.type, 'subscribed')
    t.same(subscribed['agent_ids'], many(50))
    t.same(subscribed['task_ids'], [])
  })

  await t.test('duplicates are removed before the ids are counted', async (t) => {
    const client = await connect(t, gateway, path({ agents: many(60) }, `agent_ids=${[...many(50), ...many(50)].join(',')}`), from())
    t.same((await client.nextOf('subscribed'))['agent_ids'], many(50))
  })

  await t.test('each list has its own 50', async (t) => {
    const client = await connect(t, gateway, path({ agents: many(50), tasks: many(50) }, `agent_ids=${many(50).join(',')}&task_ids=${many(50).join(',')}`), from())
    t.same((await client.nextOf('subscribed'))['task_ids'], many(50))
  })

  await t.test('an id may be 128 characters long and hold . _ : -', async (t) => {
    const ids = ['x'.repeat(128), 'A.z_0:9-']
    const client = await connect(t, gateway, path({ agents: ids }, `agent_ids=${ids.join(',')}`), from())
    t.same((await client.nextOf('subscribed'))['agent_ids'], ids)
  })

  const everything = { agents: many(60), tasks: many(60) }
  const malformed: ReadonlyArray<readonly [string, string]> = [
    ['51 agent ids', `agent_ids=${many(51).join(',')}`],
    ['51 task ids', `task_ids=${many(51).join(',')}`],
    ['51 event types', `event_types=${many(51).join(',')}`],
    ['100,000 commas', `agent_ids=${','.repeat(10_000)}`],
    ['an empty list', 'agent_ids='],
    ['a list without its value', 'agent_ids'],
    ['an empty entry', 'agent_ids=a1,,a2'],
    ['a last comma', 'agent_ids=a1,'],
    ['a space', 'agent_ids=a%201'],
    ['a plus sign', 'agent_ids=a+1'],
    ['a slash', 'agent_ids=..%2F..%2Fetc'],
    ['a quote', 'agent_ids=a%27%20or%20true'],
    ['NUL', 'agent_ids=a%00'],
    ['CR LF', 'agent_ids=a%0d%0aX:1'],
    ['braces', 'agent_ids=%7Ba%7D'],
    ['129 characters', `agent_ids=${'x'.repeat(129)}`],
    ['letters beyond ASCII', 'agent_ids=%C3%A4'],
    ['`*` with others', 'agent_ids=*,a1'],
    ['`**`', 'agent_ids=**'],
    ['an empty list of event types', 'event_types=']
  ]
  for (const [what, query] of malformed) {
    await t.test(`${what}: 400 bad_request`, async (t) => {
      const refused = await connectRefused(t, gateway, path(everything, query), from())
      t.equal(refused.status, 400)
      t.equal(refused.body['error'], 'bad_request')
      t.equal(refused.headers['www-authenticate'], undefined)
    })
  }

  await t.test('`*` alone is all that the user may see, more than 50 as well', async (t) => {
    const client = await connect(t, gateway, path(everything, 'agent_ids=*&task_ids=*'), from())
    const subscribed = await client.nextOf('subscribed')
    t.same(subscribed['agent_ids'], many(60))
    t.same(subscribed['task_ids'], many(60))
  })

  await t.test('`*` of a user who may see nothing is nothing', async (t) => {
    const client = await connect(t, gateway, path({}, 'agent_ids=*'), from())
    t.same((await client.nextOf('subscribed'))['agent_ids'], [])
  })

  await t.test('`*` with over 1000 topics is 400, never a part of them', async (t) => {
    const short = Array.from({ length: 500 }, (_, i) => (i + 36).toString(36))
    const both = path({ agents: short, tasks: [...short, 'one-more'] }, 'agent_ids=*&task_ids=*')
    t.equal((await connectRefused(t, gateway, both, from())).status, 400)
    const client = await connect(t, gateway, path({ agents: short, tasks: short }, 'agent_ids=*&task_ids=*'), from())
    t.same((await client.nextOf('subscribed'))['agent_ids'], short, '1000 are within the limit')
  })

  await t.test('`*` with the claim "*" is 400, and named ids with it pass', async (t) => {
    t.equal((await connectRefused(t, gateway, path({ agents: '*' }, 'agent_ids=*'), from())).status, 400)
    const client = await connect(t, gateway, path({ agents: '*' }, 'agent_ids=whatever'), from())
    t.same((await client.nextOf('subscribed'))['agent_ids'], ['whatever'])
  })

  await t.test('one id that the user may not see refuses the whole, and one that exists nowhere looks the same', async (t) => {
    await connect(t, gateway, path({ agents: ['theirs'] }, 'agent_ids=theirs'), from())
    const forbidden = await connectRefused(t, gateway, path({ agents: ['a1'] }, 'agent_ids=a1,theirs'), from())
    const missing = await connectRefused(t, gateway, path({ agents: ['a1'] }, 'agent_ids=a1,nowhere'), from())
    t.equal(forbidden.status, 403)
    t.equal(forbidden.body['error'], 'forbidden')
    t.same(missing.body, forbidden.body)
    t.same(Object.keys(missing.headers), Object.keys(forbidden.headers))
    t.equal(missing.status, forbidden.status)
  })

  await t.test('claims that are no list of ids give no access, and the log names them', async (t) => {
    for (const agents of ['a1', { a1: true }, [['a1']], null, 1, [['*']], [1]]) {
      const address = freshAddress()
      const refused = await connectRefused(t, gateway, path({ agents }, 'agent_ids=a1'), { from: address })
      t.same([refused.status, refused.body['message']], [403, 'not allowed, or no such thing'], JSON.stringify(agents))
      t.match(await gateway.waitForLog('connection.refused', ({ ip }) => ip === address), { detail: /^claim_type: agents / })
    }
  })

  await t.test('a malformed filter is told before anything is said of the token', async (t) => {
    t.equal((await connectRefused(t, gateway, '/ws?agent_ids=', from())).status, 400)
  })
})

t.test('WS_MAX_FILTER_IDS changes the limit', async (t) => {
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, { ...trust(issuer), WS_MAX_FILTER_IDS: '2' })
  const token = issuer.sign({ agents: many(3) })
  const client = await connect(t, gateway, `/ws?token=${token}&agent_ids=a0,a1`, { from: freshAddress() })
  t.match((await client.next())['limits'], { filter_ids: 2 })
  t.equal((await connectRefused(t, gateway, `/ws?token=${token}&agent_ids=a0,a1,a2`, { from: freshAddress() })).status, 400)
})
