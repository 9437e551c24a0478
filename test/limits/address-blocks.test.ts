import t from 'tap'
import { createAddressBlocks, rememberBlocks } from '../../src/limits/address-blocks.js'
import type { Admit } from '../../src/limits/limiter.js'
import { createMemoryLimiter } from '../../src/limits/memory/limiter.js'
import { createTestClock } from './clocks.js'
import { SETTINGS } from './limiter-conformance.js'

t.test('an address is blocked for the time stated, and no longer', async (t) => {
  const clock = createTestClock(500)
  const blocks = createAddressBlocks({ now: clock.now })
  t.equal(blocks.blockedForMs('192.0.2.1'), 0)
  blocks.block('192.0.2.1', 1000)
  t.equal(blocks.blockedForMs('192.0.2.1'), 1000)
  t.equal(blocks.blockedForMs('192.0.2.2'), 0)
  clock.advance(999.5)
  t.equal(blocks.blockedForMs('192.0.2.1'), 1)
  clock.advance(0.5)
  t.equal(blocks.blockedForMs('192.0.2.1'), 0)
})

t.test('a million blocked addresses are remembered up to the bound only', async (t) => {
  const blocks = createAddressBlocks({ now: () => 0, maxAddresses: 10_000 })
  for (let i = 0; i < 1_000_000; i++) blocks.block(`192.0.2.1-${i}`, 60_000)
  t.ok(blocks.size <= 10_000 && blocks.size >= 5000, `${blocks.size} remembered`)
  t.equal(blocks.blockedForMs('192.0.2.1-999999'), 60_000)
})

t.test('nobody is asked again about a blocked address until its time has come', async (t) => {
  const clock = createTestClock(0)
  const memory = createMemoryLimiter({ ...SETTINGS, addressConnections: 1 }, { now: clock.now })
  const asked: Admit[] = []
  const blocks = createAddressBlocks({ now: clock.now })
  const limiter = rememberBlocks({
    ...memory,
    admit: async (request) => {
      asked.push(request)
      return await memory.admit(request)
    }
  }, blocks)
  const attempt = { address: '192.0.2.1', lease: null }
  t.ok((await limiter.admit(attempt)).admitted)
  clock.advance(100)
  for (let i = 0; i < 5; i++) {
    t.same(await limiter.admit(attempt), { admitted: false, limit: 'address', retryAfterMs: 59_900 })
  }
  t.equal(asked.length, 2)
  t.equal(blocks.blockedForMs('192.0.2.1'), 59_900)
  clock.advance(59_900)
  t.ok((await limiter.admit(attempt)).admitted)
  t.ok((await limiter.admit({ address: null, lease: null })).admitted, 'an exempt address is never blocked')
})

t.test('a user without a free slot does not block the address', async (t) => {
  const blocks = createAddressBlocks({ now: () => 0 })
  const limiter = rememberBlocks(createMemoryLimiter({ ...SETTINGS, userConnections: 1 }, { now: () => 0 }), blocks)
  for (const connectionId of ['a', 'b']) await limiter.admit({ address: '192.0.2.1', lease: { owner: 'alice', connectionId } })
  t.equal(blocks.blockedForMs('192.0.2.1'), 0)
})

t.test('a pass passes a block, which stays for the others', async (t) => {
  const clock = createTestClock(0)
  const blocks = createAddressBlocks({ now: clock.now })
  const limiter = rememberBlocks(createMemoryLimiter({ ...SETTINGS, addressConnections: 1 }, { now: clock.now }), blocks)
  const attempt = { address: '192.0.2.1', lease: null }
  const withPass = { ...attempt, resume: { nonce: 'n', ttlMs: 60_000 } }
  for (let i = 0; i < 2; i++) await limiter.admit(attempt)
  clock.advance(1000)
  t.ok((await limiter.admit(withPass)).admitted)
  t.equal(blocks.blockedForMs('192.0.2.1'), 59_000)
  t.notOk((await limiter.admit(attempt)).admitted)
  t.same(await limiter.admit(withPass), { admitted: false, limit: 'address', retryAfterMs: 59_000 }, 'spent')
})
