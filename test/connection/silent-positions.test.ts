import t from 'tap'
import { startSilentPositions } from '../../src/connection/silent-positions.js'
import { openTestSession } from './stand-ins.js'

t.test('positions that moved in silence are told; those of a topic whose replay goes on, once that is over', async (t) => {
  const [silent, quiet] = [openTestSession(), openTestSession('bob')]
  const rounds: Array<() => void> = []
  startSilentPositions({
    registry: { all: () => [silent.session, quiet.session] },
    logs: { positionOf: topic => ({ epoch: topic.slice(-1), offset: 7 }) },
    timers: { after: (_ms, call) => { rounds.push(call); return () => {} }, soon: (call) => { call() } },
    maxBufferedBytes: 1000
  })
  const cursor = {} as NonNullable<typeof silent.session.held> extends Map<string, infer C> ? C : never
  Object.assign(silent.session, { passedOver: new Set(['agent:a', 'agent:b']), held: new Map([['agent:b', cursor]]) })
  rounds.shift()?.()
  t.same(silent.socket.frames(), [{ type: 'positions', topics: { 'agent:a': 'a:7' } }])
  rounds.shift()?.()
  t.equal(silent.socket.sent.length, 1)
  silent.session.held = null
  rounds.shift()?.()
  t.same(silent.socket.frames().at(-1), { type: 'positions', topics: { 'agent:b': 'b:7' } })
  t.equal(silent.session.passedOver, null)
  t.equal(quiet.socket.sent.length, 0)
})
