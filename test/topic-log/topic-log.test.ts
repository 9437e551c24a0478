import t from 'tap'
import type { Head } from '../../src/history/history.js'
import type { LogEntry } from '../../src/topic-log/log-entry.js'
import { TopicLog } from '../../src/topic-log/topic-log.js'

/** An event of the store: its stamp and frame say which one it is. */
function entry (offset: number, atMs = offset * 10): LogEntry {
  return { offset, atMs, event: 'e', frame: Buffer.from(`${offset}@${atMs}`), replay: null }
}
const head = (epoch: string, top: number, topAtMs = top * 10): Head => ({ epoch, top, topAtMs })

/** One log, with all that it makes others do. */
function setUp () {
  const done: string[] = []
  const held = { bytes: 0 }
  const log = new TopicLog('agent:1', {
    deliver: (_log, { offset, atMs }) => { done.push(offset * 10 === atMs ? `${offset}` : `${offset}@${atMs}`) },
    tellGap: ({ position }) => { done.push(`gap ${position?.epoch}:${position?.offset}`) },
    askHead: () => { done.push('head?') },
    askEvents: (_log, from, to) => { done.push(`${from}-${to}?`) },
    renew: (_log, { epoch, top }) => { done.push(`renew ${epoch}:${top}`) },
    lookAgain: () => { done.push('look again') }
  }, held)
  const take = (): string => done.splice(0).join(' ')
  const open = (top = 0): void => {
    log.takeHead(head('a', top), log.ask())
    take()
  }
  return { log, held, take, open, hear: (offset: number, epoch = 'a', atMs = offset * 10) => { log.hear(epoch, entry(offset, atMs)) } }
}

t.test('what comes before the head is known waits, and goes on after it', async (t) => {
  const { log, take, hear } = setUp()
  hear(6)
  hear(5)
  hear(7)
  t.equal(take(), '')
  log.takeHead(head('a', 5), log.ask())
  t.equal(take(), '6 7')
  t.same(log.position, { epoch: 'a', offset: 7 })
})

t.test('events follow one another; what came twice is given once', async (t) => {
  const { take, hear, open } = setUp()
  open(3)
  for (const offset of [4, 4, 5, 3, 5, 6]) hear(offset)
  t.equal(take(), '4 5 6')
})

t.test('what was read for a log that nobody listens to any more is given to nobody, and held for nobody', async (t) => {
  const { log, held, take, hear, open } = setUp()
  open()
  hear(3)
  t.equal(take(), '1-2?')
  const asked = log.ask()
  log.end()
  log.takeEvents(head('a', 3), [entry(1), entry(2)], 2, asked)
  log.takeEvents(head('a', 3), [], 2, asked)
  log.takeHead(head('b', 9), asked)
  log.heal(head('a', 9), asked)
  hear(4)
  log.drain()
  t.notOk(log.prepend('a', [entry(1)]))
  t.equal(take(), '')
  t.same({ held, position: log.position }, { held: { bytes: 0 }, position: null })
})

t.test('a store that goes on with a numbering that had ended has lost what came since', async (t) => {
  const { log, take, open } = setUp()
  open(3)
  log.takeHead(head('b', 0), log.ask())
  t.equal(take(), 'gap b:0')
  log.takeHead(head('a', 5), log.ask())
  t.equal(take(), 'renew a:5')
  t.same(log.position, { epoch: 'b', offset: 0 })
  log.takeHead(head('c', 0), log.ask())
  t.equal(take(), 'gap c:0')
})

t.test('a hole is filled before what is beyond it', async (t) => {
  const { log, take, hear, open } = setUp()
  open()
  hear(1)
  hear(4)
  hear(5)
  t.equal(take(), '1 2-3?', 'asked once')
  log.takeEvents(head('a', 5), [entry(2), entry(3)], 3, log.ask())
  t.equal(take(), '2 3 4 5')
})

t.test('what arrives late itself fills a hole, and the answer about it changes nothing', async (t) => {
  const { log, take, hear, open } = setUp()
  open()
  hear(2)
  const asked = log.ask()
  take()
  hear(1)
  t.equal(take(), '1 2')
  log.takeEvents(head('a', 2), [entry(1)], 1, asked)
  t.equal(take(), '')
})

t.test('what cannot be had any more is a gap, told before the event after it', async (t) => {
  const { log, take, hear, open } = setUp()
  open()
  hear(1)
  hear(9)
  take()
  log.takeEvents(head('a', 9), [entry(7), entry(8)], 8, log.ask())
  t.equal(take(), 'gap a:6 7 8 9')
  hear(12)
  take()
  log.takeEvents(head('a', 12), [], 11, log.ask())
  t.equal(take(), 'gap a:11 12')
})

t.test('a store that is away is asked again, and what waits is kept', async (t) => {
  const { log, take, hear, open } = setUp()
  open()
  hear(3)
  log.takeNoEvents()
  take()
  log.drain()
  t.equal(take(), '1-2?')
})

t.test('after messages may have been missed, the head says what to read', async (t) => {
  const { log, take, hear, open } = setUp()
  open(2)
  log.lose()
  const asked = log.ask()
  log.takeHead(head('a', 2), asked)
  t.equal(take(), '', 'nothing was')
  log.lose()
  hear(3)
  t.equal(take(), '3', 'what follows without a hole proves that nothing was')
  hear(6)
  t.equal(take(), '', 'a hole waits until the topic is heard again')
  log.takeHead(head('a', 6), log.ask())
  t.equal(take(), '4-6?')
})

t.test('a head above what was heard is looked at again before anything is read', async (t) => {
  const { log, take, hear, open } = setUp()
  open(1)
  log.takeHead(head('a', 3), log.ask())
  t.equal(take(), 'look again')
  hear(2)
  hear(3)
  log.healIfBehind()
  t.equal(take(), '2 3', 'they were on their way')
  log.takeHead(head('a', 5), log.ask())
  log.healIfBehind()
  t.equal(take(), 'look again 4-5?')
})

t.test('another epoch is believed when the head says the same; then those who stayed are told', async (t) => {
  const { log, take, hear, open } = setUp()
  open(5)
  const before = log.ask()
  hear(1, 'b')
  hear(2, 'b')
  t.equal(take(), 'head? head?')
  log.takeHead(head('a', 5), before)
  t.equal(take(), 'head?', 'an answer that is older than they says nothing of them')
  log.takeHead(head('b', 2), log.ask())
  t.equal(take(), 'gap b:0 1 2')
  t.same(log.position, { epoch: 'b', offset: 2 })
})

t.test('an old master\'s last words are dropped', async (t) => {
  const { log, take, hear, open } = setUp()
  open(5)
  hear(6, 'old')
  take()
  log.takeHead(head('a', 5), log.ask())
  hear(6)
  t.equal(take(), '6')
})

t.test('an epoch that nobody has heard an event of is a gap up to its top', async (t) => {
  const { log, take, open } = setUp()
  open(5)
  log.takeHead(head('b', 9), log.ask())
  t.equal(take(), 'gap b:9')
})

t.test('what a store has lost stays known until it begins anew, though it has grown past that meanwhile', async (t) => {
  const { log, take, hear, open } = setUp()
  open()
  hear(1)
  hear(2)
  take()
  log.takeHead(head('a', 1), log.ask())
  t.equal(take(), 'renew a:1')
  // The renewal came too late: another event took the place of the second, on its way it was lost, and the third follows.
  hear(3)
  t.equal(take(), '3')
  log.takeHead(head('a', 3), log.ask())
  t.equal(take(), 'renew a:3')
  t.equal(log.doubted, 'a')
  log.takeHead(head('b', 0), log.ask())
  t.equal(take(), 'gap b:0')
  t.equal(log.doubted, null)
})

t.test('a store that has gone back is told to begin anew: a lower top, another stamp at the same offset, an offset that comes twice', async (t) => {
  const { log, take, hear, open } = setUp()
  open()
  hear(1)
  hear(2)
  take()
  log.takeHead(head('a', 1), log.ask())
  t.equal(take(), 'renew a:1')
  log.takeHead(head('a', 2, 21), log.ask())
  t.equal(take(), 'renew a:2')
  hear(2, 'a', 25)
  t.equal(take(), 'head?')
  log.takeHead(head('a', 3), log.ask())
  t.equal(take(), 'renew a:3', 'also where offsets have grown past what was heard')
  log.takeHead(head('b', 0), log.ask())
  t.equal(take(), 'gap b:0')
  log.takeHead(head('b', 0), log.ask())
  t.equal(take(), '', 'and that is over')
})

t.test('a head that was read before an event came is no sign of going back', async (t) => {
  const { log, take, hear, open } = setUp()
  open(1)
  const asked = log.ask()
  hear(2)
  log.takeHead(head('a', 1), asked)
  t.equal(take(), '2')
})

t.test('the message of a new epoch without an event makes the head be read', async (t) => {
  const { log, take, hear, open } = setUp()
  open(5)
  hear(0, 'b')
  t.equal(take(), 'head?')
  log.takeHead(head('b', 0), log.ask())
  t.equal(take(), 'gap b:0')
  t.same(log.position, { epoch: 'b', offset: 0 })
})

t.test('without the store\'s word what is heard is passed on, and gets its place by itself', async (t) => {
  const { log, take, hear } = setUp()
  log.openWithoutHead()
  t.equal(log.position, null)
  hear(7)
  t.same(log.position, { epoch: 'a', offset: 7 })
  log.lose()
  log.openWithoutHead()
  t.equal(take(), '7 gap a:7', 'nobody vouches for what came meanwhile')
})

t.test('events that were heard are held for a while, older ones are put before them; bytes are counted', async (t) => {
  const { log, held, hear, open } = setUp()
  open(4)
  hear(5)
  hear(6)
  t.same([log.first, log.at(5)?.offset, log.at(4), held.bytes], [5, 5, undefined, 8])
  t.ok(log.holdsAfter({ epoch: 'a', offset: 4 }))
  t.notOk(log.holdsAfter({ epoch: 'a', offset: 3 }))
  t.notOk(log.holdsAfter({ epoch: 'b', offset: 5 }))
  t.notOk(log.holdsAfter({ epoch: 'a', offset: 7 }), 'it is ahead')
  t.notOk(log.prepend('a', [entry(2), entry(3)]), 'a hole')
  t.notOk(log.prepend('b', [entry(3), entry(4)]))
  t.ok(log.prepend('a', [entry(3), entry(4), entry(5)]))
  t.same([log.first, held.bytes], [3, 16])
  log.age()
  hear(7)
  log.age()
  t.same([log.first, log.last + 1 - log.first, held.bytes], [7, 1, 4])
  log.forget()
  t.same([log.last + 1 - log.first, held.bytes], [0, 0])
  t.ok(log.holdsAfter({ epoch: 'a', offset: 7 }), 'nothing came after it')
})
