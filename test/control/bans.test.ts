import t from 'tap'
import { createBans } from '../../src/control/bans.js'

t.test('an address is banned for the stated time', async (t) => {
  let nowMs = 1_000_000
  const bans = createBans(() => nowMs, 100)
  t.equal(bans.bannedForMs('192.0.2.1'), 0)
  t.equal(bans.add({ address: '192.0.2.1', remainingMs: 5000 }), true)
  nowMs += 2000
  t.equal(bans.bannedForMs('192.0.2.1'), 3000)
  t.equal(bans.bannedForMs('192.0.2.2'), 0)
  t.equal(bans.add({ address: '192.0.2.1', remainingMs: 1000 }), false, 'known, and now shorter')
  t.equal(bans.bannedForMs('192.0.2.1'), 1000)
  nowMs += 1000
  t.equal(bans.bannedForMs('192.0.2.1'), 0)
  bans.sweep()
  t.equal(bans.size(), 0)
})

t.test('a ban can be lifted', async (t) => {
  const bans = createBans(() => 0, 100)
  bans.add({ address: '2001:db8:1:2::/64', remainingMs: 5000 })
  bans.remove('2001:db8:1:2::/64')
  t.equal(bans.bannedForMs('2001:db8:1:2::/64'), 0)
})

t.test('a flood of bans is bounded and does not push out those that last longer', async (t) => {
  const bans = createBans(() => 0, 1000)
  bans.add({ address: 'operator', remainingMs: 1_000_000 })
  for (let n = 0; n < 100_000; n++) {
    bans.add({ address: `a${n}`, remainingMs: 1000 + n % 7 })
    if (bans.size() > 1000) t.fail('too many')
  }
  t.equal(bans.bannedForMs('operator'), 1_000_000)
  t.ok(bans.size() >= 900)
})
