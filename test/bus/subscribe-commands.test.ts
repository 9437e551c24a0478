import hashSlot from 'cluster-key-slot'
import t from 'tap'
import { splitIntoCommands } from '../../src/bus/subscribe-commands.js'

const channels = Array.from({ length: 1200 }, (_, n) => `ws:topic:agent:${n}`)

t.test('a command has at most 500 channels, and none is left out or sent twice', async (t) => {
  const commands = splitIntoCommands(channels, ['subscribe'])
  t.same(commands.map(({ length }) => length), [500, 500, 200])
  t.same(commands.flat(), channels)
  t.same(splitIntoCommands([], ['subscribe']), [])
})

t.test('on a cluster a command has the channels of one slot', async (t) => {
  const commands = splitIntoCommands([...channels, ...channels.map((_, n) => `{one}${n}`)], ['subscribe', 'ssubscribe'])
  t.same(commands.filter((command) => new Set(command.map((channel) => hashSlot(channel))).size !== 1), [])
  t.same(commands.flat().length, 2400)
  t.ok(commands.every(({ length }) => length <= 500))
})
