import t from 'tap'
import type { ChannelHandlers, Channels } from '../../src/bus/channels.js'
import { createProcessChannels } from '../../src/bus/process-channels.js'

const OWN = 'ws:topic:node:n1'

/** Channels under test, over channels that only write down what is asked of them, with a clock of its own. */
function setUp () {
  const asked: string[] = []
  const told: unknown[] = []
  let nowMs = 0
  let inner: ChannelHandlers | null = null
  const inside: Channels = { want (channel) { asked.push(`want ${channel}`) }, drop (channel) { asked.push(`drop ${channel}`) }, close () { asked.push('close') } }
  const channels = createProcessChannels({
    own: OWN,
    carries: channel => channel.startsWith('ws:topic:user:'),
    handlers: {
      onMessage (channel, payload) { told.push([channel, payload.toString()]) },
      onConfirmed (all) { told.push({ confirmed: [...all] }) },
      onRefused (all) { told.push({ refused: [...all] }) },
      onDenied () { told.push('denied') },
      onLost (all, sinceMs) { told.push({ lost: [...all], sinceMs }) }
    },
    open (handlers) {
      inner = handlers
      return inside
    },
    now: () => nowMs
  })
  const handlers = inner as unknown as ChannelHandlers
  return {
    channels,
    asked,
    handlers,
    send (user: string, text: string) { handlers.onMessage(OWN, Buffer.from(`ws:topic:user:${user}\n${text}`)) },
    told: () => told.splice(0),
    advance (ms: number) { nowMs += ms }
  }
}

t.test('one channel is subscribed for all users, once, and the others each by themselves', async (t) => {
  const { channels, asked, told, handlers } = setUp()
  channels.want('ws:topic:user:alice')
  channels.want('ws:topic:agent:a1')
  channels.want('ws:topic:user:bob')
  t.same(asked, [`want ${OWN}`, 'want ws:topic:agent:a1'])
  t.same(told(), [])
  handlers.onConfirmed([OWN, 'ws:topic:agent:a1'])
  t.same(told(), [{ confirmed: ['ws:topic:agent:a1', 'ws:topic:user:alice', 'ws:topic:user:bob'] }])
  channels.want('ws:topic:user:carol')
  t.same(told(), [{ confirmed: ['ws:topic:user:carol'] }], 'it is heard already')
  channels.drop('ws:topic:user:alice')
  channels.drop('ws:topic:agent:a1')
  t.same(asked.slice(2), ['drop ws:topic:agent:a1'], 'users come and go, the channel stays')
  handlers.onLost([OWN], 7)
  t.same(told(), [{ lost: ['ws:topic:user:bob', 'ws:topic:user:carol'], sinceMs: 7 }])
  channels.want('ws:topic:user:dave')
  t.same(told(), [], 'what is lost confirms nobody')
})

t.test('where the own channel is denied, each that it stands for is subscribed to, until it is heard', async (t) => {
  const { channels, asked, told, handlers } = setUp()
  channels.want('ws:topic:user:alice')
  handlers.onRefused([OWN, 'ws:topic:agent:a1'], new Error('NOPERM'))
  t.same(told(), [{ refused: ['ws:topic:agent:a1'] }], 'nobody has said no to who wants a user\'s channel')
  channels.want('ws:topic:user:bob')
  t.same(asked, [`want ${OWN}`, 'want ws:topic:user:alice', 'want ws:topic:user:bob'])
  handlers.onConfirmed(['ws:topic:user:alice'])
  handlers.onRefused(['ws:topic:user:bob'], new Error('NOPERM'))
  t.same(told(), [{ confirmed: ['ws:topic:user:alice'] }, { refused: ['ws:topic:user:bob'] }])
  handlers.onConfirmed([OWN])
  channels.want('ws:topic:user:carol')
  t.same(asked.slice(3), [], 'the rights were mended')
})

t.test('a message is given to who wants its channel; one that came a moment too early, to who wants it within 5 s', async (t) => {
  const { channels, told, handlers, send, advance } = setUp()
  channels.want('ws:topic:user:alice')
  handlers.onConfirmed([OWN])
  told()
  send('alice', 'line\nfeeds\npass')
  send('bob', '1')
  send('carol', 'x')
  send('bob', '2')
  handlers.onMessage(OWN, Buffer.from('no line feed'))
  t.same(told(), [['ws:topic:user:alice', 'line\nfeeds\npass']])
  advance(5000)
  channels.want('ws:topic:user:bob')
  t.same(told(), [{ confirmed: ['ws:topic:user:bob'] }, ['ws:topic:user:bob', '1'], ['ws:topic:user:bob', '2']])
  channels.drop('ws:topic:user:bob')
  channels.want('ws:topic:user:bob')
  t.same(told(), [{ confirmed: ['ws:topic:user:bob'] }], 'each is given once')
  advance(1)
  send('dave', '1')
  channels.want('ws:topic:user:carol')
  t.same(told(), [{ confirmed: ['ws:topic:user:carol'] }], 'it was too old')
})

t.test('it says since when nothing was missed: not while it is not heard, nor where too much came for nobody', async (t) => {
  const { channels, handlers, send, advance } = setUp()
  t.equal(channels.completeSinceMs(), Infinity)
  channels.want('ws:topic:user:alice')
  advance(10)
  handlers.onConfirmed([OWN])
  t.equal(channels.completeSinceMs(), 10)
  advance(10)
  for (let n = 0; n < 1000; n++) send('bob', 'x')
  t.equal(channels.completeSinceMs(), 10)
  send('bob', 'x')
  t.equal(channels.completeSinceMs(), 20, 'the oldest of them is gone')
  advance(10)
  send('bob', 'x'.repeat(2 ** 20))
  t.equal(channels.completeSinceMs(), 30)
  advance(5001)
  send('bob', 'x')
  t.equal(channels.completeSinceMs(), 31, 'what is older than 5 s is gone: an upgrade that took longer asks again')
  handlers.onLost([OWN], 0)
  t.equal(channels.completeSinceMs(), Infinity)
  handlers.onConfirmed([OWN])
  t.equal(channels.completeSinceMs(), 5031)
})

t.test('a channel that no publisher can be told of is subscribed to as well, until it is dropped', async (t) => {
  const { channels, asked, told, handlers } = setUp()
  channels.want('ws:topic:user:alice')
  handlers.onConfirmed([OWN])
  told()
  for (const channel of ['ws:topic:user:alice', 'ws:topic:user:alice', 'ws:topic:user:bob']) channels.subscribeItself(channel)
  t.same(asked, [`want ${OWN}`, 'want ws:topic:user:alice'])
  handlers.onConfirmed(['ws:topic:user:alice'])
  handlers.onMessage('ws:topic:user:alice', Buffer.from('1'))
  t.same(told(), [{ confirmed: ['ws:topic:user:alice'] }, ['ws:topic:user:alice', '1']])
  channels.drop('ws:topic:user:alice')
  channels.want('ws:topic:user:alice')
  channels.drop('ws:topic:user:alice')
  t.same(asked.slice(2), ['drop ws:topic:user:alice'])
})
