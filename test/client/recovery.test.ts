import t from 'tap'
import { SYSTEM_CLOCK } from '../../packages/client/src/clock.js'
import { readFrame, type ServerFrame } from '../../packages/client/src/frames.js'
import type { PositionStorage } from '../../packages/client/src/position-storage.js'
import { createRecovery, type Recovery } from '../../packages/client/src/recovery.js'
import type { Recovered } from '../../packages/client/src/signals.js'
import { createSeenIds } from '../../packages/client/src/seen-ids.js'
import { parsePosition } from '../../packages/client/src/position.js'
import { observe } from './observed-client.js'
import { tokenOf } from './token-of.js'
import { startScriptedServer } from './scripted-server.js'

/** What PROTOCOL.md allows a frame but `send` to have, in bytes. */
const MAX_BYTES = 262_144
const LONGEST_EPOCH = 'e'.repeat(47)
const WELCOME = { type: 'welcome', user_id: 'alice', positions: { 'user:alice': 'u1:0' } }
const LIMITS = { frame_bytes: 1_048_576, messages: 100, message_window_s: 60, connections: 5, filter_ids: 50, subscribes_per_s: 10 }
const range = (count: number): number[] => Array.from({ length: count }, (_, n) => n)
/** Ids of the longest form. */
const longIds = (count: number): string[] => range(count).map(n => String(n).padStart(128, 'x'))

function read (frame: object): ServerFrame {
  const text = readFrame(JSON.stringify(frame))
  if (text === null) throw new Error('no frame')
  return text
}

interface Made { readonly recovery: Recovery, readonly recovered: Recovered[] }

function make (storage?: PositionStorage): Made {
  const recovered: Recovered[] = []
  const recovery = createRecovery({
    url: new URL('wss://gateway.example/ws'),
    storage,
    clock: SYSTEM_CLOCK,
    onRecovered: (one) => { recovered.push(one) },
    onGap: () => {}
  })
  recovery.open(tokenOf('alice'))
  return { recovery, recovered }
}

/** One that has heard all of these on a connection, and is on the next. */
function makeReturned (ids: readonly string[], frameBytes: number): Made {
  const made = make()
  made.recovery.receive(read({ ...WELCOME, limits: LIMITS }))
  const positions = Object.fromEntries(ids.map(id => [`agent:${id}`, `${LONGEST_EPOCH}:123456789012345`]))
  made.recovery.recall(['agent:*'], undefined)
  made.recovery.receive(read({ type: 'subscribed', agent_ids: ids, task_ids: [], positions }))
  made.recovery.closed()
  made.recovery.open(tokenOf('alice'))
  made.recovery.receive(read({ ...WELCOME, limits: { ...LIMITS, frame_bytes: frameBytes } }))
  return made
}

t.test('a thousand topics of the longest names are asked for in one frame of `*`, within what a gateway takes', async (t) => {
  const { recovery } = makeReturned(longIds(1000), LIMITS.frame_bytes)
  const { since = {} } = recovery.recall(['agent:*'], undefined)
  t.equal(Object.keys(since).length, 1000)
  t.ok(JSON.stringify({ type: 'subscribe', agent_ids: '*', since, id: 'i'.repeat(64) }).length <= MAX_BYTES)
})

t.test('where `*` has more than fits, what fits is asked for', async (t) => {
  const { recovery } = makeReturned(longIds(1000), 65_536)
  const { since = {} } = recovery.recall(['agent:*'], undefined)
  t.ok(Object.keys(since).length > 200)
  t.ok(JSON.stringify({ type: 'subscribe', agent_ids: '*', since, id: 'i'.repeat(64) }).length <= 65_536)
})

t.test('a list that is too long with its positions goes in parts, and every position is asked for', async (t) => {
  for (const [count, frameBytes] of [[1000, LIMITS.frame_bytes], [50, 1500]] as const) {
    const ids = longIds(count)
    const asked: string[] = []
    let longest = 0
    const server = await startScriptedServer(t, (peer) => {
      // The first takes long frames, so that the second has all to ask for.
      const limits = { ...LIMITS, filter_ids: count, ...(server.peers.length === 1 ? {} : { frame_bytes: frameBytes }) }
      peer.welcome({ limits, positions: { 'user:alice': 'u1:0' } })
    }, (peer, frame) => {
      const text = JSON.stringify(frame)
      if (server.peers.length === 2) {
        asked.push(...Object.keys(frame['since'] as object))
        longest = Math.max(longest, text.length)
      }
      const positions = Object.fromEntries((frame['agent_ids'] as string[]).map(id => [`agent:${id}`, `${LONGEST_EPOCH}:123456789012345`]))
      peer.send({ type: 'subscribed', id: frame['id'], agent_ids: frame['agent_ids'], task_ids: [], positions })
    })
    const { reached } = observe(t, { url: server.url, token: () => 'a.b.c', agents: ids })
    await reached('open')
    server.peers[0]?.socket.terminate()
    await reached('open', 2)
    t.equal(asked.length, count)
    t.equal(new Set(asked).size, count)
    t.ok(longest <= Math.min(frameBytes, MAX_BYTES), `${longest} bytes`)
  }
})

t.test('storage has one value for each gateway, with the 2,000 topics that moved last', async (t) => {
  const values = new Map<string, string>()
  const storage = {
    getItem: (key: string) => values.get(key) ?? null,
    setItem: (key: string, value: string) => { values.set(key, value) },
    removeItem: (key: string) => { values.delete(key) }
  }
  const { recovery } = make(storage)
  recovery.receive(read({ ...WELCOME, limits: LIMITS }))
  const ids = range(2500).map(n => `a${n}`)
  recovery.receive(read({ type: 'subscribed', agent_ids: ids, task_ids: [], positions: Object.fromEntries(ids.map(id => [`agent:${id}`, 'e1:0'])) }))
  recovery.receive(read({ type: 'event', topic: 'agent:a0', event: 'x', data: 1, ts: '', pos: 'e1:1' }))
  await Promise.resolve()
  t.same([...values.keys()], ['portcullis gateway.example/ws'])
  const { positions } = JSON.parse(values.get('portcullis gateway.example/ws') ?? '') as { positions: Record<string, string> }
  t.equal(Object.keys(positions).length, 2000)
  t.equal(positions['agent:a0'], 'e1:1')
  t.equal(positions['agent:a500'], undefined)
  const next = make(storage)
  t.equal(next.recovery.open(tokenOf('alice')), null, 'that of the own topic moved longest ago')
})

t.test('a storage that is full is emptied: an older position would bring events again', async (t) => {
  const values = new Map<string, string>()
  let isFull = false
  const storage = {
    getItem: (key: string) => values.get(key) ?? null,
    setItem (key: string, value: string) {
      if (isFull) throw new Error('QuotaExceededError')
      values.set(key, value)
    },
    removeItem: (key: string) => { values.delete(key) }
  }
  const { recovery } = make(storage)
  recovery.receive(read({ ...WELCOME, limits: LIMITS }))
  await Promise.resolve()
  t.equal(values.size, 1)
  isFull = true
  recovery.receive(read({ type: 'event', topic: 'user:alice', event: 'x', data: 1, ts: '', pos: 'u1:1' }))
  await Promise.resolve()
  t.equal(values.size, 0)
})

t.test('a position is stored after the application has heard its event', async (t) => {
  const order: string[] = []
  const { recovery } = make({ getItem: () => null, setItem: () => { order.push('stored') }, removeItem: () => {} })
  recovery.receive(read({ ...WELCOME, limits: LIMITS }))
  await Promise.resolve()
  order.length = 0
  if (recovery.receive(read({ type: 'event', topic: 'user:alice', event: 'x', data: 1, ts: '', pos: 'u1:1' }))) order.push('heard')
  await Promise.resolve()
  t.same(order, ['heard', 'stored'])
})

t.test('ids are bounded in number, and the oldest are forgotten first', async (t) => {
  const clock = { nowMs: 0 }
  const ids = createSeenIds(() => clock.nowMs)
  const ts = '2026-11-27T12:00:00.000Z'
  t.ok(range(10_001).every(n => ids.isNew('agent:a1', `i${n}`, ts)))
  t.notOk(ids.isNew('agent:a1', 'i1', ts))
  t.ok(ids.isNew('agent:a1', 'i0', ts))
  t.ok(ids.isNew('agent:a1', 'i2', '2026-11-27T12:05:00.001Z'))
  t.notOk(ids.isNew('agent:a1', 'i2', '2026-11-27T12:00:00.001Z'), 'a clock that was set back')
})

t.test('a retry that comes late is known: newer events have come before it', async (t) => {
  const clock = { nowMs: 0 }
  const ids = createSeenIds(() => clock.nowMs)
  ids.isNew('agent:a1', 'i1', '2026-11-27T12:00:00.000Z')
  clock.nowMs = 301_000
  ids.isNew('agent:a2', 'i2', '2026-11-27T12:05:01.000Z')
  t.notOk(ids.isNew('agent:a1', 'i1', '2026-11-27T12:04:59.000Z'), 'published within the time, delivered after it')
})

t.test('a position is an epoch and an offset that a number can hold', async (t) => {
  t.same(parsePosition('1764250000000000-a1b2c3d4:17'), { epoch: '1764250000000000-a1b2c3d4', offset: 17 })
  t.same(['', ':1', 'e1', 'e1:', 'e1:01', 'e1:-1', 'e1:1.5', 'e1:1234567890123456', 'e 1:1', `${'e'.repeat(63)}:1`, 17, null, undefined].map(parsePosition), Array(13).fill(null))
})
