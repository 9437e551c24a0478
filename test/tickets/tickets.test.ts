import t from 'tap'
import { createMemoryTicketStore } from '../../src/tickets/memory-store.js'
import { sealToken, unsealToken } from '../../src/tickets/seal-token.js'
import { createTicketTexts } from '../../src/tickets/ticket-text.js'
import { createTickets, type TicketOutcome } from '../../src/tickets/tickets.js'
import type { TicketStore } from '../../src/tickets/ticket-store.js'

const KEY = Buffer.alloc(32, 1)
const HOME = '192.0.2.1'
const TICKETED = { token: 'a.b.c', jkt: 'thumbprint' }

function setUp ({ keys = [KEY], prefix = '', anyAddress = false, store = createMemoryTicketStore() } = {}) {
  let aheadMs = 0
  const outcomes: TicketOutcome[] = []
  const texts = createTicketTexts({ keys: () => keys, prefix, anyAddress, now: () => 1_700_000_000_000 + aheadMs })
  const tickets = createTickets({ texts, store, onOutcome: (outcome) => { outcomes.push(outcome) } })
  return {
    tickets,
    outcomes,
    advance (ms: number) { aheadMs += ms },
    async issue () { return await tickets.issue(TICKETED, HOME) ?? '' },
    async present (text: string, address = HOME) {
      const judged = tickets.judge(text, address)
      const redeemed = 'redeem' in judged ? await judged.redeem() : judged
      return 'token' in redeemed ? redeemed : `${redeemed.name} ${redeemed.detail ?? ''}`
    }
  }
}

t.test('a ticket gives its token once, to whichever process is asked', async (t) => {
  const store = createMemoryTicketStore()
  const [one, other] = [setUp({ store }), setUp({ store })]
  const ticket = await one.issue()
  t.match(ticket, /^[A-Za-z0-9_-]{116}$/)
  t.same(await other.present(ticket), TICKETED)
  t.equal(await other.present(ticket), 'invalid_token ticket_used')
  t.equal(await one.present(ticket), 'invalid_token ticket_used')
  t.same([one.outcomes, other.outcomes], [['issued', 'rejected'], ['redeemed', 'rejected']])
})

t.test('of two who come with one ticket at the same moment one is let in', async (t) => {
  let calls = 0
  const memory = createMemoryTicketStore()
  const bench = setUp({ store: { ...memory, take: async (name) => { calls++; return await memory.take(name) } } })
  const ticket = await bench.issue()
  const [first, second] = await Promise.all([bench.present(ticket), bench.present(ticket)])
  t.same([first, second], [TICKETED, 'invalid_token ticket_used'])
  const next = await bench.issue()
  // Each was found genuine before the other was taken.
  const judged = [bench.tickets.judge(next, HOME), bench.tickets.judge(next, HOME)]
  t.match(await Promise.all(judged.map(async each => 'redeem' in each ? await each.redeem() : each)), [TICKETED, { name: 'invalid_token', detail: 'ticket_used' }])
  t.equal(calls, 2, 'one that comes second costs no call')
})

t.test('what is wrong with a ticket is seen before the store is asked', async (t) => {
  let calls = 0
  const memory = createMemoryTicketStore()
  const store: TicketStore = { ...memory, take: async (name) => { calls++; return await memory.take(name) } }
  const bench = setUp({ store })
  const ticket = await bench.issue()
  const last = ticket.endsWith('A') ? 'B' : 'A'
  const otherKey = setUp({ store, keys: [Buffer.alloc(32, 2)] })
  const otherPrefix = setUp({ store, prefix: 'staging:' })
  const unknown = setUp({ store, keys: [] })
  t.same(await Promise.all([
    bench.present('x'), bench.present(`${ticket}A`), bench.present(ticket.slice(0, -1) + last), bench.present(ticket, '192.0.2.2'),
    otherKey.present(ticket), otherPrefix.present(ticket), unknown.present(ticket)
  ]), [
    'invalid_token ticket_format', 'invalid_token ticket_format', 'invalid_token ticket_signature', 'invalid_token ticket_address',
    'invalid_token ticket_signature', 'invalid_token ticket_signature', 'invalid_token ticket_signature'
  ])
  bench.advance(33_000)
  t.equal(await bench.present(ticket), 'invalid_token ticket_expired')
  const early = await bench.issue()
  bench.advance(-3000)
  t.equal(await bench.present(early), 'invalid_token ticket_expired', 'its end is further away than any that is made now')
  t.equal(calls, 0)
})

t.test('the second of two secrets is believed, and signs nothing', async (t) => {
  const store = createMemoryTicketStore()
  const [before, during] = [setUp({ store }), setUp({ store, keys: [Buffer.alloc(32, 2), KEY] })]
  t.same(await during.present(await before.issue()), TICKETED)
  t.equal(await before.present(await during.issue()), 'invalid_token ticket_signature')
})

t.test('where addresses are not compared another one opens as well', async (t) => {
  const bench = setUp({ anyAddress: true })
  t.same(await bench.present(await bench.issue(), '2001:db8::/64'), TICKETED)
})

t.test('a store that is away uses up no ticket', async (t) => {
  const memory = createMemoryTicketStore()
  let isAway = true
  const bench = setUp({ store: { ...memory, take: async (name) => isAway ? await Promise.reject(new Error('away')) : await memory.take(name) } })
  const ticket = await bench.issue()
  t.equal(await bench.present(ticket), 'unavailable tickets')
  isAway = false
  t.same(await bench.present(ticket), TICKETED)
})

t.test('in memory a ticket ends after its life, and a proof is forgotten after its time', async (t) => {
  let nowMs = 1000
  const store = createMemoryTicketStore(() => nowMs)
  await store.keep('a', 'sealed', 30_000)
  await store.keep('b', 'sealed', 30_000)
  t.same([await store.noteProof('p', 130_000), await store.noteProof('p', 130_000)], [true, false])
  nowMs += 29_999
  t.equal(await store.take('a'), 'sealed')
  nowMs += 2
  t.equal(await store.take('b'), null)
  nowMs += 100_000
  t.equal(await store.noteProof('p', 130_000), true)
})

t.test('what is kept tells nothing without the ticket', async (t) => {
  const sealed = sealToken('ticket', TICKETED)
  t.notMatch(Buffer.from(sealed, 'base64url').toString('latin1'), TICKETED.token)
  t.same(unsealToken('ticket', sealed), TICKETED)
  t.same([unsealToken('another', sealed), unsealToken('ticket', ''), unsealToken('ticket', `A${sealed.slice(1)}`)].filter(each => each !== null && sealed[0] !== 'A'), [])
})
