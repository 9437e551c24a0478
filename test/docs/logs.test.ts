import { readFileSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { COMMON_FIELDS, EVENT_REFERENCE, FIELD_REFERENCE } from '../../src/observe/event-reference.js'
import { EVENT_LEVELS, type EventName, type Line } from '../../src/observe/events.js'
import { connect, freshAddress } from '../support/client.js'
import { findFreePort } from '../support/free-port.js'
import { startGateway, trust, type LogLine } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
import { offenders } from '../support/offenders.js'
import { startRedis } from '../support/redis.js'
import { PROJECT } from '../support/root.js'
import { until } from '../support/until.js'
import { liveThroughADay, open } from './log-day.js'

type FieldOf<L> = L extends unknown ? Exclude<keyof L, 'event'> : never
/** Per event of the audit: what its type has and the reference does not say, or the other way round. */
type Differences = {
  [E in EventName]: E extends keyof typeof EVENT_REFERENCE
    ? Exclude<FieldOf<Line<E>>, typeof EVENT_REFERENCE[E]['fields'][number]> | Exclude<typeof EVENT_REFERENCE[E]['fields'][number], FieldOf<Line<E>>>
    : 'undescribed'
}[EventName]
/** Compiles only while the reference names exactly the fields of the audit's types. */
const NO_DIFFERENCE: [Differences] extends [never] ? true : Differences = true

const SRC = fileURLToPath(new URL('src/', PROJECT))
const ADMIN_TOKEN = 'an-admin-token-of-more-than-32-bytes'
const REFERENCE: Readonly<Record<string, { readonly level: string, readonly fields: readonly string[] }>> = EVENT_REFERENCE

t.test('the reference describes every event of the audit, with its level, and every field', async (t) => {
  t.ok(NO_DIFFERENCE)
  t.same(await offenders(Object.entries(EVENT_LEVELS), ([event, level]) => REFERENCE[event]?.level === level), [])
  const used = new Set([...COMMON_FIELDS, ...Object.values(REFERENCE).flatMap(({ fields }) => fields)])
  t.same([...used].sort(), Object.keys(FIELD_REFERENCE).sort())
})

t.test('every event that the source names is described, and no other', async (t) => {
  const sources = (readdirSync(SRC, { recursive: true }) as string[]).filter(file => file.endsWith('.ts') && !file.endsWith('event-reference.ts'))
  const named = new Set(sources.flatMap(file => [...readFileSync(SRC + file, 'utf8').matchAll(/\bevent: '([a-z_]+\.[a-z_]+|fault)'/g)].map(([, event = '']) => event)))
  t.same([...named].sort(), Object.keys(REFERENCE).sort())
})

/** Every line: known event, its level, and no field that the reference does not name. */
function expectDocumented (t: Test, log: readonly LogLine[]): void {
  const undocumented = log.flatMap((line) => {
    const known = REFERENCE[line.event]
    if (known === undefined) return [`no event ${line.event}`]
    const fields = Object.keys(line).filter(field => !COMMON_FIELDS.some(common => common === field) && !known.fields.includes(field))
    return [...fields.map(field => `${line.event}: ${field}`), ...(line['level'] === known.level ? [] : [`${line.event} is ${String(line['level'])}`])]
  })
  t.same([...new Set(undocumented)], [])
  for (const line of log) t.same(COMMON_FIELDS.filter(field => typeof line[field] !== 'string'), [])
}

t.test('every line that gateways write is documented', async (t) => {
  const [issuer, redis] = await Promise.all([startIssuer(t), startRedis(t)])
  const until24h = new Date(Date.now() + 3_600_000).toISOString()
  const shared = { ...trust(issuer), REDIS_URL: redis.url, ADMIN_TOKEN }
  const [gateway, insecure, fleet] = await Promise.all([
    startGateway(t, shared),
    startGateway(t, { ...shared, ALLOW_INSECURE_WS: 'true', ALLOW_INSECURE_WS_UNTIL: until24h, WS_LIMITS_MODE: 'dry-run', WS_IP_CONNECTIONS: '1', WS_IP_MESSAGES: '1', REDIS_KEY_PREFIX: 'dry:' }),
    startGateway(t, { ...shared, WORKERS: '2', PORT: String(await findFreePort()), REDIS_KEY_PREFIX: 'fleet:' })
  ])
  await liveThroughADay(t, gateway, issuer, freshAddress())
  const from = freshAddress()
  const anonymous = await connect(t, insecure, '/ws', { from })
  await connect(t, insecure, '/ws', { from })
  for (let i = 0; i < 3; i++) anonymous.send({ type: 'ping' })
  await insecure.waitForLog('message.limited')
  await redis.client.publish('ws:control', 'noise')
  const listener = await open(t, gateway, issuer.sign({ sub: 'listener' }))
  await until('somebody listens', async () => await redis.client.publish('ws:topic:user:listener', 'noise') > 0)
  await gateway.waitForLog('bus.invalid')
  await gateway.waitForLog('control.invalid')
  issuer.behave('jwks', 'status_500')
  redis.pause()
  for (let i = 0; i < 3; i++) await connect(t, gateway, `/ws?token=${issuer.sign({ sub: 'during' })}`, { from: freshAddress() })
  await gateway.waitForLog('limits.degraded')
  redis.resume()
  await gateway.waitForLog('limits.restored')
  listener.socket.close()
  for (const one of [gateway, insecure, fleet]) {
    one.signal('SIGTERM')
    t.equal(await one.exited, 0)
    expectDocumented(t, one.log)
  }
  const written = new Set([gateway, insecure, fleet].flatMap(({ log }) => log.map(({ event }) => event)))
  for (const event of ['connection.accepted', 'connection.refused', 'connection.closed', 'message.limited', 'access.denied', 'forwarded_for.untrusted', 'bus.invalid', 'control.invalid', 'insecure.open', 'worker.started', 'supervisor.started', 'server.stopped']) {
    t.ok(written.has(event), event)
  }
})
