import t from 'tap'
import { createWelcomeEncoder } from '../../src/wire/welcome.js'

const LIMITS = { frame_bytes: 1, messages: 2, message_window_s: 3, connections: 4, filter_ids: 5, subscribes_per_s: 6 }

t.test('a welcome is the whole frame, whatever the names in it hold', async (t) => {
  const expiresAtMs = 4_000_000_000_000
  const timeMs = 3_999_999_000_000
  for (const userId of ['alice', 'https://issuer:alice', 'a"b\\c', '""', 'Жанна 李 🙂', '\ud800', '']) {
    for (const node of ['n-1-abc', '"",""', 'é']) {
      const encode = createWelcomeEncoder({ node, limits: LIMITS, historyS: 300 })
      const read = (more: { own: { topic: string, position: string } | null, recovered: boolean | null }): unknown =>
        JSON.parse(Buffer.from(encode({ connectionId: 'c-1', userId, expiresAtMs, timeMs, ...more })).toString())
      const common = {
        type: 'welcome', connection_id: 'c-1', user_id: userId, node, expires_at: new Date(expiresAtMs).toISOString(), time: new Date(timeMs).toISOString(), limits: LIMITS, history_s: 300
      }
      t.same(read({ own: null, recovered: null }), { ...common, positions: {} })
      const topic = `user:${userId}`
      t.same(read({ own: { topic, position: 'e:1' }, recovered: false }), { ...common, positions: { [topic]: 'e:1' }, recovered: false })
    }
  }
  const bare = createWelcomeEncoder({ node: 'n', limits: LIMITS, historyS: null })({ connectionId: 'c-1', userId: 'alice', expiresAtMs, timeMs, own: null, recovered: null })
  t.notOk('history_s' in (JSON.parse(Buffer.from(bare).toString()) as object), 'nothing is kept')
})
