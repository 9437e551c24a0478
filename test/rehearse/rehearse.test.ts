import t from 'tap'
import { readRehearsalSettings } from '../../src/config/read-rehearsal-settings.js'
import { readAuditLine, type AuditLine } from '../../src/rehearse/audit-line.js'
import { createRehearser, type Rehearsal } from '../../src/rehearse/rehearse.js'

const START_MS = Date.parse('2026-11-28T09:00:00.000Z')

/** A line of the log, `atS` seconds after its beginning. */
const line = (atS: number, event: string, more: object = {}): string =>
  JSON.stringify({ level: 'info', time: new Date(START_MS + atS * 1000).toISOString(), node: 'n', event, ip: '198.51.100.7', path: '/ws', ...more })
const accepted = (atS: number, id: string, more: object = {}): string => line(atS, 'connection.accepted', { connection_id: id, user_id: 'alice', issuer: 'oidc', ...more })
const refused = (atS: number, reason: string, more: object = {}): string => line(atS, 'connection.refused', { reason, ...more })
const closed = (atS: number, id: string, more: object = {}): string => line(atS, 'connection.closed', { connection_id: id, user_id: 'alice', reason: 'normal', ...more })

async function rehearse (lines: readonly string[], ...settings: string[]): Promise<Rehearsal> {
  const rehearser = createRehearser(readRehearsalSettings({}, settings))
  for (const text of lines) await rehearser.take(readAuditLine(text) as AuditLine)
  return rehearser.result
}

const MANY = 'WS_USER_CONNECTIONS=1000'

t.test('a higher limit lets in who was refused, and a lower one refuses who was let in', async (t) => {
  const log = [...Array.from({ length: 10 }, (_, i) => accepted(i, `c${i}`)), ...Array.from({ length: 3 }, (_, i) => refused(10 + i, 'ip_rate_limited'))]
  const same = await rehearse(log, MANY)
  t.match(same.address, { refused: 3, wouldRefuse: 3, letIn: { total: 0 }, keptOut: { total: 0 } })
  const higher = await rehearse(log, MANY, 'WS_IP_CONNECTIONS=12')
  t.match(higher.address, { refused: 3, wouldRefuse: 1, letIn: { total: 2 }, keptOut: { total: 0 } })
  t.same(higher.address.letIn.top(5), [['198.51.100.7', 2]])
  const lower = await rehearse(log, MANY, 'WS_IP_CONNECTIONS=4')
  t.match(lower.address, { refused: 3, wouldRefuse: 9, letIn: { total: 0 }, keptOut: { total: 6 } })
})

t.test('the window is that of the log\'s own times', async (t) => {
  const log = Array.from({ length: 20 }, (_, i) => accepted(i * 10, `c${i}`))
  t.match((await rehearse(log, MANY, 'WS_IP_CONNECTIONS=6')).address, { wouldRefuse: 0 })
  t.match((await rehearse(log, MANY, 'WS_IP_CONNECTIONS=6', 'WS_IP_WINDOW_S=90')).address, { wouldRefuse: 6 })
})

t.test('what never reached the window is not counted, what reached it is, and nobody on the allow list', async (t) => {
  const early = ['bad_request', 'not_found', 'overloaded', 'banned'].map((reason, i) => refused(i, reason))
  const others = [refused(5, 'forbidden', { detail: 'origin' }), refused(6, 'invalid_token', { detail: 'audience' }), refused(7, 'forbidden', { detail: 'access' })]
  const log = [...early, ...others, accepted(8, 'c')]
  t.match((await rehearse(log, 'WS_IP_CONNECTIONS=2')).address, { refused: 0, wouldRefuse: 1, keptOut: { total: 1 } })
  t.match((await rehearse(log, 'WS_IP_CONNECTIONS=3')).address, { wouldRefuse: 0 })
  t.match((await rehearse(log, 'WS_IP_CONNECTIONS=1', 'WS_IP_ALLOW_LIST=198.51.100.0/24')).address, { wouldRefuse: 0 })
})

t.test('slots are held from the accepted line to the closed one', async (t) => {
  const log = [accepted(0, 'a'), accepted(1, 'b'), refused(2, 'user_connection_limit', { user_id: 'alice' }), closed(3, 'a', { duration_ms: 3000 }), accepted(4, 'c')]
  t.match((await rehearse(log, 'WS_USER_CONNECTIONS=2')).user, { refused: 1, wouldRefuse: 1, letIn: { total: 0 }, keptOut: { total: 0 } })
  const higher = await rehearse(log, 'WS_USER_CONNECTIONS=3')
  t.match(higher.user, { refused: 1, wouldRefuse: 0, letIn: { total: 1 } })
  t.same(higher.user.letIn.top(1), [['alice', 1]])
  const lower = await rehearse(log, 'WS_USER_CONNECTIONS=1')
  t.match(lower.user, { refused: 1, wouldRefuse: 2, keptOut: { total: 1 } })
  t.same(lower.user.keptOut.top(1), [['alice', 1]])
})

t.test('who is let in now stays as long as others on average', async (t) => {
  const log = [
    accepted(0, 'a'), closed(10, 'a', { duration_ms: 10_000 }), accepted(11, 'b'), refused(12, 'user_connection_limit', { user_id: 'alice' }),
    refused(13, 'user_connection_limit', { user_id: 'alice' }), refused(23, 'user_connection_limit', { user_id: 'alice' })
  ]
  t.match(await rehearse(log, 'WS_USER_CONNECTIONS=2'), { guessed: 2, user: { refused: 3, wouldRefuse: 1, letIn: { total: 2 } } })
})

t.test('anonymous connections take the slots of their address', async (t) => {
  const anonymous = { user_id: 'anonymous', insecure: true }
  const log = [accepted(0, 'a', anonymous), accepted(1, 'b', { ...anonymous, ip: '203.0.113.1' })]
  t.match((await rehearse(log, 'WS_USER_CONNECTIONS=1')).user, { wouldRefuse: 0 })
})

t.test('a sum counts as many as it stands for, and a dry run\'s refusals let in', async (t) => {
  const log = [refused(0, 'ip_rate_limited', { suppressed: 99 }), refused(1, 'ip_rate_limited', { dry_run: true }), accepted(1, 'a')]
  t.match(await rehearse(log, 'WS_IP_CONNECTIONS=40'), { sampled: 99, dryRun: 1, address: { refused: 100, wouldRefuse: 61, letIn: { total: 40 }, keptOut: { total: 1 } } })
})

t.test('connections that cannot have kept to a limit of messages are told', async (t) => {
  const log = [accepted(0, 'a'), closed(90, 'a', { duration_ms: 90_000, messages_in: 150 }), line(91, 'message.limited', { connection_id: 'b', user_id: 'bob', reason: 'too_many_requests' })]
  t.match((await rehearse(log, 'WS_IP_MESSAGES=75')).messages, { refused: 1, keptOut: { total: 0 } })
  t.match((await rehearse(log, 'WS_IP_MESSAGES=74')).messages, { refused: 1, keptOut: { total: 1 } })
})

t.test('a flood of addresses fills no memory: beyond ten thousand names they count in the sum alone', async (t) => {
  const log = Array.from({ length: 12_000 }, (_, i) => refused(0, 'ip_rate_limited', { ip: `10.${Math.floor(i / 65_536)}.${Math.floor(i / 256) % 256}.${i % 256}` }))
  const { letIn } = (await rehearse(log)).address
  t.equal(letIn.total, 12_000)
  t.equal(letIn.top(20_000).length, 10_000)
})

t.test('a line that is none of ours is told from one that is about something else', async (t) => {
  const unreadable = ['', '{', '[]', '"x"', '{"event":7}', '{"event":"connection.accepted"}', accepted(0, 'c', { time: 'yesterday' }), accepted(0, 'c', { ip: 'nowhere' }), line(0, 'connection.closed')]
  t.same(unreadable.filter(text => readAuditLine(text) !== 'unreadable'), [])
  t.equal(readAuditLine(line(0, 'server.started')), null)
  t.match(readAuditLine(refused(0, 'ip_rate_limited', { ip: '2001:db8:1:2::/64' })), { address: { key: '2001:db8:1:2::/64' } })
})
