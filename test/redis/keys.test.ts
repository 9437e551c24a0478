import fc from 'fast-check'
import t from 'tap'
import { createControlKeys, createLimitKeys, createNodeKeys, inboundStream, resumeSecret, topicChannelPrefix } from '../../src/redis/keys.js'
import { encodeId } from '../../src/redis/encode-id.js'

t.test('ids are percent-encoded outside the unreserved characters, in upper-case UTF-8', async (t) => {
  t.equal(encodeId('aZ09._-'), 'aZ09._-')
  t.equal(encodeId('a:{b}*\u0000%~'), 'a%3A%7Bb%7D%2A%00%25%7E')
  t.equal(encodeId('ü€😀'), '%C3%BC%E2%82%AC%F0%9F%98%80')
})

t.test('a lone surrogate is encoded as well, and never as another id is', async (t) => {
  t.equal(encodeId('\ud800'), '%ED%A0%80')
  t.not(encodeId('\ud800'), encodeId('\udfff'))
  t.not(encodeId('\ud800'), encodeId('\ufffd'))
})

t.test('no id can shape a key, and no two ids share one', async (t) => {
  const id = fc.string({ unit: 'binary', maxLength: 40 })
  fc.assert(fc.property(id, id, (one, other) => {
    if (!/^[A-Za-z0-9._%-]*$/.test(encodeId(one))) return false
    return (one === other) === (encodeId(one) === encodeId(other))
  }))
  t.pass()
})

t.test('keys carry the prefix, and addresses as they are', async (t) => {
  const keys = createLimitKeys('p:')
  t.equal(keys.address('2001:db8:1:2::/64'), 'p:ws:ratelimit:ip:2001:db8:1:2::/64')
  t.equal(keys.messages('192.0.2.1'), 'p:ws:ratelimit:msg:192.0.2.1')
  t.equal(keys.user('kc:alice'), 'p:ws:ratelimit:user:kc%3Aalice')
})

t.test('a pass\'s key has the address\'s whole key as its hash tag, whatever the nonce', (t) => {
  for (const prefix of ['', 'a:b:']) {
    const keys = createLimitKeys(prefix)
    for (const address of ['192.0.2.1', '2001:db8:1:2::/64']) {
      for (const nonce of ['n-_1', '}{x}', '{', '']) {
        const [, tag] = /\{([^}]*)\}/.exec(keys.resume(address, nonce)) ?? []
        t.equal(tag, keys.address(address))
      }
    }
  }
  t.equal(createLimitKeys('p:').resume('192.0.2.1', 'n'), 'p:ws:resume:{p:ws:ratelimit:ip:192.0.2.1}:n')
  t.end()
})

t.test('a node\'s name cannot shape its key, and what others claimed of it is in the same slot as its records', async (t) => {
  t.equal(createNodeKeys('p:').records('host-0-ab12'), 'p:ws:node:host-0-ab12')
  t.equal(createNodeKeys('p:').claimed('host-0-ab12'), '{p:ws:node:host-0-ab12}:claimed')
  t.equal(createNodeKeys('').records('{a}:*'), 'ws:node:%7Ba%7D%3A%2A')
})

t.test('every name has the prefix and the place that operators and back ends know, and no two are the same', async (t) => {
  const { channel, revocations, bans, orders, ban, ask, answers } = createControlKeys('p:')
  const limits = createLimitKeys('p:')
  const names = [
    channel, revocations.orders, revocations.records, bans.orders, bans.records, orders, ban('192.0.2.1'), ask, answers, createNodeKeys('p:').index,
    topicChannelPrefix('p:', 'agent'), inboundStream('p:'), resumeSecret('p:'), limits.strikes('192.0.2.1')
  ]
  t.same(names, [
    'p:ws:control', 'p:ws:revocations', '{p:ws:revocations}:orders', 'p:ws:bans', '{p:ws:bans}:orders', 'p:ws:control:orders', 'p:ws:ban:192.0.2.1',
    'p:ws:control:ask', 'p:ws:control:answer:', 'p:ws:nodes', 'p:ws:topic:agent:', 'p:ws:inbound', 'p:ws:resume-key', 'p:ws:strikes:192.0.2.1'
  ])
})
