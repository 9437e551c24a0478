import t from 'tap'
import { identityOf } from '../access/identity-of.js'
import type { ClientAddress } from '../../src/address/client-address.js'
import { refuse, type Refusal } from '../../src/refusals.js'
import { createMemoryTicketStore } from '../../src/tickets/memory-store.js'
import { createTicketDesk, type TicketDeskDeps, type TicketRequest } from '../../src/tickets/ticket-desk.js'
import type { Identity } from '../../src/tokens/identity.js'
import { createDpopClient } from '../support/dpop.js'

const HOME: ClientAddress = { ip: '192.0.2.1', key: '192.0.2.1' }
const TOKEN = 'header.payload.signature'
const TARGET = 'https://gateway.example/v1/tickets'
const HOLDER = createDpopClient()

const BOUND = identityOf('alice', {}, { confirmation: { jkt: HOLDER.jkt } })

/** A desk whose every part says yes, and counts how often it was asked. */
function setUp (who: Identity | Refusal = identityOf('alice'), more: Partial<TicketDeskDeps> = {}) {
  const asked = { limiter: 0, identify: 0, issue: 0 }
  const causes: string[] = []
  const desk = createTicketDesk({
    target: { publicUrl: 'https://gateway.example', isTls: false },
    deadlineMs: 5000,
    maxPending: 3,
    gate: () => null,
    addresses: { banned: () => null, overLimit: () => null },
    isExempt: () => false,
    dryRun: false,
    limiter: { admit: async () => { asked.limiter++; return { admitted: true } } },
    identify: { wait: async () => { asked.identify++; return who } },
    tickets: { issue: async () => { asked.issue++; return 'ticket' } },
    proofs: createMemoryTicketStore(),
    report: {
      ticketRefused: (_request, { name, detail }) => { causes.push(detail === undefined ? name : `${name} ${detail}`) },
      wouldRefuse: (_request, { name }) => { causes.push(`would ${name}`) },
      fault: (error) => { throw error }
    },
    ...more
  })
  const request = (headers: Record<string, string>): TicketRequest =>
    ({ address: HOME, headers: new Map(Object.entries(headers)), viaTrustedProxy: false })
  const ask = async (headers: Record<string, string> = { authorization: `Bearer ${TOKEN}` }): Promise<string> => {
    const answer = await desk.ask(request(headers))
    return typeof answer === 'string' ? answer : answer.name
  }
  const proven = async (proof = HOLDER.prove(TARGET, TOKEN)): Promise<string> => await ask({ authorization: `DPoP ${TOKEN}`, dpop: proof })
  return { desk, ask, proven, asked, causes }
}

t.test('of an address that is banned or over its limit neither the limiter nor any key is asked', async (t) => {
  const banned = setUp(identityOf('alice'), { addresses: { banned: () => refuse('banned'), overLimit: () => null } })
  const over = setUp(identityOf('alice'), { addresses: { banned: () => null, overLimit: () => refuse('ip_rate_limited', { retryAfterMs: 5 }) } })
  t.same([await banned.ask(), await over.ask()], ['banned', 'ip_rate_limited'])
  t.same([banned.asked, over.asked], Array(2).fill({ limiter: 0, identify: 0, issue: 0 }))
})

t.test('each request is an attempt in the window, and one too many is judged no further', async (t) => {
  let left = 2
  const { ask, asked, causes } = setUp(identityOf('alice'), {
    limiter: { admit: async () => left-- > 0 ? { admitted: true } : { admitted: false, limit: 'address', retryAfterMs: 1000 } }
  })
  t.same([await ask(), await ask(), await ask()], ['ticket', 'ticket', 'ip_rate_limited'])
  t.same([asked.identify, causes], [2, ['ip_rate_limited']])
})

t.test('an address that is exempt is not counted, and a dry run lets through what it counts', async (t) => {
  const refusing = { admit: async () => ({ admitted: false, limit: 'address', retryAfterMs: 1000 }) as const }
  const exempt = setUp(identityOf('alice'), { limiter: refusing, isExempt: () => true })
  const dry = setUp(identityOf('alice'), { limiter: refusing, dryRun: true })
  t.same([await exempt.ask(), await dry.ask()], ['ticket', 'ticket'])
  t.same([exempt.causes, dry.causes], [[], ['would ip_rate_limited']])
})

t.test('no more requests are under way than may be: the next is refused at once', async (t) => {
  let open = (): void => {}
  const opened = new Promise<void>((resolve) => { open = resolve })
  const { ask, causes } = setUp(identityOf('alice'), { identify: { wait: async () => { await opened; return identityOf('alice') } } })
  const pending = [ask(), ask(), ask()]
  t.equal(await ask(), 'overloaded')
  open()
  t.same(await Promise.all(pending), ['ticket', 'ticket', 'ticket'])
  t.same([await ask(), causes], ['ticket', ['overloaded pending ticket requests']])
})

t.test('what takes longer than an upgrade may is answered, and makes room', async (t) => {
  const never = { wait: async () => await new Promise<Identity>(() => {}) }
  const { ask } = setUp(identityOf('alice'), { deadlineMs: 5, maxPending: 1, identify: never })
  t.same([await ask(), await ask()], ['unavailable', 'unavailable'])
})

t.test('whom break-glass lets in has no token, and gets no ticket', async (t) => {
  const { ask, asked } = setUp(identityOf('alice', {}, { insecure: true }))
  t.same([await ask(), asked.issue], ['unavailable', 0])
})

t.test('limits or a store that are away give nothing', async (t) => {
  const away = async (): Promise<never> => await Promise.reject(new Error('away'))
  t.equal(await setUp(identityOf('alice'), { limiter: { admit: away } }).ask(), 'unavailable')
  t.equal(await setUp(identityOf('alice'), { tickets: { issue: away } }).ask(), 'unavailable')
  t.equal(await setUp(BOUND, { proofs: { noteProof: away } }).proven(), 'unavailable')
})

t.test('a proof counts once, for a token that is bound to a key, and only once all else is good', async (t) => {
  const proof = HOLDER.prove(TARGET, TOKEN)
  const store = createMemoryTicketStore()
  t.equal(await setUp(refuse('unavailable'), { proofs: store }).proven(proof), 'unavailable', 'that was not its time')
  const { proven, causes } = setUp(BOUND, { proofs: store })
  t.same([await proven(proof), await proven(proof), await proven()], ['ticket', 'invalid_token', 'ticket'])
  t.same(causes, ['invalid_token dpop: jti'])
  const unbound = setUp(identityOf('alice'))
  t.same([await unbound.proven(), unbound.asked.issue], ['invalid_token', 0])
})

t.test('a proof that is missing, or of another address, asks nobody about the token', async (t) => {
  const { ask, proven, asked, causes } = setUp(BOUND)
  t.equal(await ask({ authorization: `DPoP ${TOKEN}` }), 'invalid_token')
  t.equal(await proven(HOLDER.prove('https://evil.example/v1/tickets', TOKEN)), 'invalid_token')
  t.same([asked.identify, causes], [0, ['invalid_token dpop: missing', 'invalid_token dpop: htu']])
})
