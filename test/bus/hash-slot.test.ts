import t from 'tap'
import { hashSlot } from '../../src/bus/hash-slot.js'
import { offenders } from '../support/offenders.js'
import { startRedis } from '../support/redis.js'

t.test('a slot is the one that Redis computes, with and without hash tags', async (t) => {
  const redis = await startRedis(t, { args: ['--cluster-enabled', 'yes', '--cluster-config-file', 'nodes.conf'] })
  const keys = ['', 'a', '123456789', 'ws:topic:user:é😀', '{', '}', '{}', '{}a', 'a{b}c', 'a{}b{c}', 'a{{b}}c', 'a}b{c}d', 'a{b', '{x}{y}', 'x'.repeat(10_000)]
  t.same(await offenders(keys, async key => hashSlot(key) === await redis.client.cluster('KEYSLOT', key)), [])
})
