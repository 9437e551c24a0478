import t from 'tap'
import { until } from '../support/until.js'
import { observe } from './observed-client.js'
import { tokenOf } from './token-of.js'
import { startScriptedServer } from './scripted-server.js'

const SECRET = 'what only the application may read'

t.test('what the client does is told line by line, without the token, the data of a frame, or a message', async (t) => {
  const server = await startScriptedServer(t, (peer, n) => {
    if (n === 1) return peer.close(1013, { error: 'overloaded' })
    peer.welcome()
    peer.send({ type: 'event', topic: 'agent:a1', event: 'status', data: SECRET, ts: '', pos: 'e1:1' })
  })
  const lines: string[] = []
  const { client, reached } = observe(t, { url: server.url, token: () => tokenOf('alice'), agents: ['a1'], debug: (line) => { lines.push(line) } })
  await reached('open')
  await client.send('agent:a1', SECRET)
  client.close()
  const told = (pattern: RegExp): boolean => lines.some(line => pattern.test(line))
  const wanted = [
    /^connecting$/, /^asks for a token: connect$/, /^opens 127\.0\.0\.1:\d+\/ws by token$/, /^waiting \d+ ms because of overloaded 1013$/, /^received welcome$/,
    /^sends subscribe id=\S+ agent_ids=a1$/, /^received event topic=agent:a1 event=status pos=e1:1$/, /^sends send id=\S+ to=agent:a1$/, /^closed because of closed$/
  ]
  t.same(wanted.filter(pattern => !told(pattern)), [])
  const parts = [SECRET, ...tokenOf('alice').split('.')]
  t.same(lines.filter(line => parts.some(part => line.includes(part))), [])
})

t.test('`debug: true` tells the console; without it nothing is told', async (t) => {
  const server = await startScriptedServer(t, (peer) => { peer.welcome() })
  const told = t.capture(console, 'debug', () => {})
  const { client, reached } = observe(t, { url: server.url, token: () => 'a.b.c' })
  await reached('open')
  client.close()
  t.same(told(), [])
  const another = observe(t, { url: server.url, token: () => 'a.b.c', debug: true })
  await another.reached('open')
  t.match(told()[0]?.args, ['portcullis: connecting'])
})

t.test('a token callback that fails is the cause in the state; a token that was just refused is said to be one', async (t) => {
  const server = await startScriptedServer(t, (peer) => { peer.close(4401, { error: 'expired_token' }) })
  const away = new Error('the sign-in service is away')
  const answers: Array<() => string | null> = [() => { throw away }, () => 'no token', () => 'a.b.c', () => 'a.b.c', () => null]
  const { states, reached } = observe(t, { url: server.url, token: () => answers.shift()?.() ?? null })
  await reached('closed')
  await until('all states', () => answers.length === 0)
  const causes = states.flatMap(state => state.status === 'waiting' ? [[state.because.name, state.because.cause]] : [])
  t.equal(causes[0]?.[1], away)
  t.match(causes, [
    ['token_failed', { message: 'the sign-in service is away' }], ['token_failed', { message: 'the token callback gave what is no JWT' }],
    ['expired_token', undefined], ['token_failed', { message: 'the token callback gave the token that was just refused' }]
  ])
})
