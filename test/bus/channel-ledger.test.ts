import t from 'tap'
import { ChannelLedger, type ChannelChanges } from '../../src/bus/channel-ledger.js'

const NOTHING: ChannelChanges = { leaving: [], joining: [], standing: [] }

/** Subscribes channels as a confirmed command does. */
function joined (...channels: string[]): ChannelLedger {
  const ledger = new ChannelLedger()
  for (const channel of channels) ledger.want(channel)
  ledger.join(ledger.takeChanges().joining).confirmed = true
  return ledger
}

t.test('what is wanted is to be joined, and what is dropped to be left, once', async (t) => {
  const ledger = joined('a', 'b')
  t.same(ledger.takeChanges(), NOTHING)
  ledger.want('c')
  ledger.want('c')
  ledger.drop('b')
  t.same(ledger.takeChanges(), { leaving: ['b'], joining: ['c'], standing: [] })
  t.same(ledger.takeChanges(), NOTHING)
})

t.test('what comes and goes within a tick is not sent', async (t) => {
  const ledger = joined('a')
  ledger.drop('a')
  ledger.want('a')
  ledger.want('b')
  ledger.drop('b')
  t.same(ledger.takeChanges(), { leaving: [], joining: [], standing: ['a'] })
})

t.test('a channel whose command is under way is not sent again, and is confirmed by that command', async (t) => {
  const ledger = new ChannelLedger()
  ledger.want('a')
  const join = ledger.join(ledger.takeChanges().joining)
  ledger.drop('a')
  ledger.want('a')
  t.same(ledger.takeChanges(), NOTHING)
  t.same(ledger.joinedBy(join, ['a']), ['a'])
})

t.test('a command does not speak for a channel that was dropped, or lost with the connection, since', async (t) => {
  const ledger = new ChannelLedger()
  for (const channel of ['a', 'b']) ledger.want(channel)
  const join = ledger.join(ledger.takeChanges().joining)
  ledger.drop('a')
  t.same(ledger.joinedBy(join, ['a', 'b']), ['b'])
  t.same(ledger.loseConnection(), ['b'])
  t.same(ledger.joinedBy(join, ['a', 'b']), [])
})

t.test('what Redis may hold or not is sent again, and leaving it is sent too', async (t) => {
  const ledger = joined('a', 'b', 'c')
  ledger.doubt(['a', 'b'])
  t.ok(ledger.touchUnsettled())
  ledger.drop('b')
  t.same(ledger.takeChanges(), { leaving: ['b'], joining: ['a'], standing: [] })
  ledger.doubtConfirmed()
  t.ok(ledger.touchUnsettled())
  t.same(ledger.takeChanges().joining, ['c', 'a'].toSorted(), 'c is doubted, and a was not sent yet')
})

t.test('a lost connection tells what was sent on it; the next one gets all that is wanted, and no leaving', async (t) => {
  const ledger = joined('a', 'b')
  ledger.drop('b')
  ledger.want('c')
  t.same(ledger.loseConnection(), ['a'])
  t.same(ledger.takeChanges(), NOTHING)
  t.ok(ledger.touchUnsettled())
  t.same(ledger.takeChanges(), { leaving: [], joining: ['a', 'c'], standing: [] })
})
