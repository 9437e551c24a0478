import t from 'tap'
import type { ClientAddress } from '../../src/address/client-address.js'
import { createClosedLines } from '../../src/nodes/closed-lines.js'

const ADDRESS: ClientAddress = { ip: '192.0.2.1', key: '192.0.2.1' }
const CLOSED = { reason: 'normal', code: 1000, durationMs: 1, messagesIn: 0, messagesOut: 0 }

function open ({ maxHeld = 100 } = {}) {
  const written: string[] = []
  const returned: number[] = []
  let answer = (): void => {}
  const state = { current: true, cutOff: false, asked: 0 }
  const lines = createClosedLines({
    write: ({ connectionId }) => { written.push(String(connectionId)) },
    heartbeat: {
      isCurrent: () => state.current,
      isCutOff: () => state.cutOff,
      verify: async () => { state.asked++; await new Promise<void>((resolve) => { answer = resolve }) }
    },
    onReturned: (connections) => { returned.push(connections) },
    maxHeld
  })
  const close = (connectionId: string): void => {
    lines.closed({ connectionId, userId: 'u', address: ADDRESS, issuer: null, path: '/ws', insecure: false }, CLOSED)
  }
  return { lines, close, written, returned, state, answer: async () => { answer(); await lines.flush() } }
}

t.test('while the others know that this process is alive, a line is written at once', async (t) => {
  const { close, written, state } = open()
  close('a')
  t.same(written, ['a'])
  t.equal(state.asked, 0)
})

t.test('after a silence lines wait, in order, for one heartbeat; those that others have written are left out', async (t) => {
  const { lines, close, written, returned, state, answer } = open()
  state.current = false
  for (const id of ['a', 'b', 'c']) close(id)
  t.same(written, [])
  t.equal(state.asked, 1)
  lines.markClaimed(['b', 'd'])
  state.current = true
  await answer()
  t.same(written, ['a', 'c'])
  t.same(returned, [2])
  close('d')
  t.same(written, ['a', 'c'], 'nor is that of one that was still open then')
  close('e')
  t.same(written, ['a', 'c', 'e'])
})

t.test('while nobody can say, lines are written rather than kept', async (t) => {
  const { close, written, state } = open()
  state.current = false
  state.cutOff = true
  close('a')
  t.same(written, ['a'])
})

t.test('there is an end to the lines that wait', async (t) => {
  const { close, written, state, answer } = open({ maxHeld: 2 })
  state.current = false
  for (const id of ['a', 'b', 'c']) close(id)
  t.same(written, ['c'])
  await answer()
  t.same(written, ['c', 'a', 'b'])
})

t.test('what was claimed is counted once, and forgotten once it has ended', async (t) => {
  const { lines, close, returned, written } = open()
  const ids = Array.from({ length: 700 }, (_, n) => `c${n}`)
  lines.markClaimed(ids)
  lines.markClaimed(ids)
  t.same(returned, [700])
  for (const id of ids) close(id)
  t.same(written, [])
  // Redis still has their names until they are taken out: they must not count as open ones that were claimed.
  lines.markClaimed(ids)
  t.same(returned, [700])
  t.same([...lines.takeEnded(), ...lines.takeEnded()].sort(), ids.toSorted())
  t.same(lines.takeEnded(), [])
})
