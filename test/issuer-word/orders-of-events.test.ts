import t from 'tap'
import { ordersOfEvents } from '../../src/issuer-word/orders-of-events.js'
import { createSecurityEventRules } from '../../src/tokens/security-event.js'
import { createStatementJudge } from '../../src/tokens/statement.js'
import { createSigner, ISSUER, NOW_S, outcomeOf } from '../tokens/statement-fixture.js'

const CAEP = 'https://schemas.openid.net/secevent/caep/event-type/'
const RISC = 'https://schemas.openid.net/secevent/risc/event-type/'
const ALICE = { format: 'iss_sub', iss: ISSUER, sub: 'alice' }
const signer = createSigner()
const judge = createStatementJudge([signer.keys], createSecurityEventRules('receiver/1', 5000))
const GOOD = { iss: ISSUER, aud: 'receiver/1', iat: NOW_S, jti: 'e1', events: { [`${CAEP}session-revoked`]: {} }, sub_id: ALICE }
const at = (seconds: number): string => `sub:alice before ${(seconds + 1) * 1000}`

/** What a token with these claims orders, or why nothing. */
function told (claims: object): string {
  const judged = judge(signer.sign({ ...GOOD, ...claims }, { typ: 'secevent+jwt' }), NOW_S * 1000)
  if (judged.kind !== 'good') return outcomeOf(judged)
  const { orders, aside } = ordersOfEvents(judged.statement, judged.issuer)
  const words = orders.map(({ kind, id, issuer, issuedBeforeMs }) =>
    `${kind}:${id}${issuedBeforeMs === null ? '' : ` before ${issuedBeforeMs}`}${issuer === 'main' ? '' : ' of another'}`)
  return [...words, ...(aside === null ? [] : [aside.replace(/ ".*/, '')])].join(' ')
}

const event = (type: string, members: object = {}, more: object = {}): object =>
  ({ events: { [type]: members }, sub_id: undefined, ...more })
const session = (id: string): object => ({ format: 'opaque', id })
const OTHER = { format: 'iss_sub', iss: 'https://other.example', sub: 'alice' }

/** Shapes that transmitters send, by who publishes them; and what could be sent to mislead. */
const SHAPES: ReadonlyArray<readonly [string, object, string]> = [
  ['Keycloak: a session', { sub_id: { format: 'complex', user: ALICE, session: session('s1') } }, 'sid:s1'],
  ['Keycloak: all sessions', { sub_id: { format: 'complex', user: ALICE, session: session('ALL') } }, at(NOW_S)],
  ['Keycloak: a credential', event(`${CAEP}credential-change`, { change_type: 'update', credential_type: 'password', event_timestamp: NOW_S - 20 }, { sub_id: ALICE }), at(NOW_S - 20)],
  ['CAEP: a session as an opaque id', event(`${CAEP}session-revoked`, { event_timestamp: NOW_S }, { sub_id: session('dMTlD|1600802906337.16|16008.16') }), 'sid:dMTlD|1600802906337.16|16008.16'],
  ['CAEP: a subject with user, device and tenant', event(`${CAEP}session-revoked`, {}, { sub_id: { format: 'complex', user: ALICE, device: ALICE, tenant: session('t1') } }), at(NOW_S)],
  ['CAEP, a draft: the subject in the event, times in ms', event(`${CAEP}session-revoked`, { subject: { user: ALICE, session: session('s1') }, event_timestamp: 1_615_304_991_643 }), 'sid:s1'],
  ['CAEP, a draft: a time in ms', event(`${CAEP}credential-change`, { subject: ALICE, event_timestamp: (NOW_S - 7) * 1000 + 643 }), at(NOW_S - 7)],
  ['Okta: a user in the event', event(`${CAEP}session-revoked`, { subject: { user: ALICE }, event_timestamp: NOW_S - 3, initiating_entity: 'admin', reason_admin: { en: 'x' } }), at(NOW_S - 3)],
  ['Google: account-disabled with subject_type', event(`${RISC}account-disabled`, { subject: { subject_type: 'iss-sub', iss: ISSUER, sub: 'alice' }, reason: 'hijacking' }), at(NOW_S)],
  ['Google: id_token_claims', event(`${RISC}account-disabled`, { subject: { subject_type: 'id_token_claims', iss: ISSUER, sub: 'alice', email: 'a@example.com' } }), at(NOW_S)],
  ['RISC: aliases', event(`${RISC}account-disabled`, {}, { sub_id: { format: 'aliases', identifiers: [{ format: 'email', email: 'a@example.com' }, OTHER, ALICE] } }), at(NOW_S)],
  ['SSF: the stream is tried', event('https://schemas.openid.net/secevent/ssf/event-type/verification', { state: 'x' }, { sub_id: session('stream-1') }), 'event_unknown'],
  ['another event of CAEP', event(`${CAEP}token-claims-change`, { claims: {} }, { sub_id: ALICE }), 'event_unknown'],
  ['another event of RISC', event(`${RISC}sessions-revoked`, {}, { sub_id: ALICE }), 'event_unknown'],
  ['two events', { events: { [`${CAEP}session-revoked`]: {}, [`${CAEP}assurance-level-change`]: {} } }, `${at(NOW_S)} event_unknown`],
  ['an event that is no object', { events: { [`${CAEP}session-revoked`]: true } }, 'event_malformed'],
  ['a user of another issuer', { sub_id: OTHER }, 'subject_of_other_issuer'],
  ['a session beside a user of another issuer', { sub_id: { format: 'complex', user: OTHER, session: session('s1') } }, 'subject_of_other_issuer'],
  ['aliases of others', { sub_id: { format: 'aliases', identifiers: [OTHER] } }, 'subject_of_other_issuer'],
  ['a user by mail', { sub_id: { format: 'email', email: 'a@example.com' } }, 'subject_unknown'],
  ['a user without an issuer', { sub_id: { format: 'iss_sub', sub: 'alice' } }, 'subject_of_other_issuer'],
  ['no subject', { sub_id: undefined }, 'subject_unknown'],
  ['ALL without a user', { sub_id: { format: 'complex', session: session('ALL') } }, 'subject_unknown'],
  ['ALL alone', { sub_id: session('ALL') }, 'subject_unknown'],
  ['a session that cannot be read, beside a user', { sub_id: { format: 'complex', user: ALICE, session: { format: 'jwt_id', iss: ISSUER, jti: 'x' } } }, 'subject_unknown'],
  ['a session alone for a credential', event(`${CAEP}credential-change`, {}, { sub_id: session('s1') }), 'subject_unknown'],
  ['a session beside the user of a credential', event(`${CAEP}credential-change`, {}, { sub_id: { format: 'complex', user: ALICE, session: session('s1') } }), at(NOW_S)],
  ['toe, where the event has no time', { toe: NOW_S - 40 }, at(NOW_S - 40)],
  ['the event\'s own time before toe', { toe: NOW_S - 40, events: { [`${CAEP}session-revoked`]: { event_timestamp: NOW_S - 50 } } }, at(NOW_S - 50)],
  ['a time that is text', { events: { [`${CAEP}session-revoked`]: { event_timestamp: 'now' } } }, at(NOW_S)],
  ['a time to come', { events: { [`${CAEP}session-revoked`]: { event_timestamp: NOW_S + 86_400 } } }, at(NOW_S)],
  ['told a day late', { iat: NOW_S - 86_400 }, at(NOW_S - 86_400)]
]

t.test('each published shape orders what it says, and nothing else does', async (t) => {
  t.same(SHAPES.map(([name, claims]) => [name, told(claims)]), SHAPES.map(([name, , wanted]) => [name, wanted]))
})

t.test('each claim of the token is checked', async (t) => {
  const CLAIMS: ReadonlyArray<readonly [object, string]> = [
    [{ iss: 'https://other.example' }, 'unknown_issuer'], [{ aud: 'receiver/2' }, 'audience'], [{ aud: ['x', 'receiver/1'] }, at(NOW_S)], [{ aud: undefined }, 'audience'],
    [{ jti: undefined }, 'jti'], [{ iat: undefined }, 'issued_at'], [{ iat: NOW_S + 60 }, 'issued_at'], [{ exp: NOW_S - 60 }, 'expired'], [{ exp: NOW_S + 60 }, at(NOW_S)],
    [{ events: undefined }, 'events'], [{ events: {} }, 'events'], [{ events: [] }, 'events'], [{ events: '{"type":"consent-revoked"}' }, 'events']
  ]
  t.same(CLAIMS.map(([claims]) => told(claims)), CLAIMS.map(([, wanted]) => wanted))
  const typed = (typ: unknown): string => outcomeOf(judge(signer.sign(GOOD, { typ }), NOW_S * 1000))
  t.same(['secevent+jwt', 'application/SecEvent+JWT', 'JWT', 'logout+jwt', undefined].map(typed), ['good', 'good', 'header_type', 'header_type', 'header_type'])
})
