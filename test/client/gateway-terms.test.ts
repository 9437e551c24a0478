import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { CLOSE_POLICY, readClose } from '../../packages/client/src/close-policy.js'
import { SERVER_FRAME_TYPES, SUBPROTOCOL, type ClientFrame, type ServerFrame, type WelcomeLimits } from '../../packages/client/src/frames.js'
import { REFUSALS } from '../../src/refusals.js'
import { decodeText } from '../wire/decode-text.js'
import * as wire from '../../src/wire/frames.js'
import { PROJECT } from '../support/root.js'

/** True only where each is assignable to the other; a difference is an error of types, which `npm run types` finds. */
type Same<A, B> = [A] extends [B] ? [B] extends [A] ? true : false : false
/** The same as JSON: whether a list may be changed, and a field that is left out or undefined, makes no difference there. */
type Frozen<T> = T extends object ? { readonly [K in keyof T]: Frozen<Exclude<T[K], undefined>> } : T

const SAME: readonly true[] = [
  true satisfies Same<Frozen<ServerFrame>, Frozen<wire.ServerFrame>>,
  true satisfies Same<ServerFrame['type'], typeof SERVER_FRAME_TYPES[number]>,
  true satisfies Same<WelcomeLimits, Frozen<wire.WelcomeLimits>>,
  true satisfies Same<ClientFrame['type'], wire.ClientFrame['type']>,
  true satisfies Frozen<wire.ClientFrame> extends ClientFrame ? true : false
]

t.test('frames have the names and fields that the gateway gives them', async (t) => {
  t.equal(SAME.length, 5)
  t.equal(SUBPROTOCOL, wire.SUBPROTOCOL)
})

t.test('every frame that the client can write is one that the gateway can read', async (t) => {
  const frames: Record<ClientFrame['type'], ClientFrame[]> = {
    subscribe: [{ type: 'subscribe', id: '1', agent_ids: ['a1'], task_ids: '*', event_types: ['x'] }],
    unsubscribe: [{ type: 'unsubscribe', id: '1', agent_ids: '*', task_ids: ['t1'] }],
    send: [{ type: 'send', id: '1', to: 'agent:a1', data: { any: [1, null] } }],
    refresh: [{ type: 'refresh', id: '1', token: 'a.b.c' }, { type: 'refresh', ticket: 't' }],
    ping: [{ type: 'ping', id: '1' }, { type: 'ping' }]
  }
  for (const frame of Object.values(frames).flat()) t.same(decodeText(JSON.stringify(frame)), frame, frame.type)
})

t.test('the client comes back after each close as the gateway\'s table says', async (t) => {
  const closes = Object.entries(REFUSALS).filter(([, { closeCode }]) => closeCode !== null)
  const promised = closes.map(([name, { closeCode, reconnect }]) => [name, { code: closeCode, reconnect }])
  t.same(CLOSE_POLICY, Object.fromEntries(promised))
  for (const [name, { closeCode, reconnect }] of closes) {
    const close = readClose(closeCode ?? 0, JSON.stringify({ error: name, retry_after_ms: 7 }))
    t.same(close, { name, code: closeCode, reconnect, retryAfterMs: 7 }, name)
  }
})

t.test('the client stands alone: it imports nothing of the gateway, no package and nothing of Node', async (t) => {
  const folder = fileURLToPath(new URL('packages/client/src/', PROJECT))
  const files = readdirSync(folder)
  t.ok(files.length > 10)
  for (const file of files) {
    const imported = [...readFileSync(folder + file, 'utf8').matchAll(/\bfrom '([^']+)'|import\('([^']+)'\)/g)].map(([, from, dynamic]) => from ?? dynamic)
    t.same(imported.filter(from => !/^\.\/[a-z-]+\.js$/.test(String(from))), [], file)
  }
})
