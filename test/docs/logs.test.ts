import { readFileSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { EVENTS } from '../../src/observe/events.js'
import { COMMON_FIELDS, FIELDS, type FieldType } from '../../src/observe/fields.js'
import { connect, freshAddress } from '../support/client.js'
import { findFreePort } from '../support/free-port.js'
import { startGateway, trust, type LogLine } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
import { startRedis } from '../support/redis.js'
import { PROJECT } from '../support/root.js'
import { until } from '../support/until.js'
import { liveThroughADay, open } from './log-day.js'

const SRC = fileURLToPath(new URL('src/', PROJECT))
const ADMIN_TOKEN = 'an-admin-token-of-more-than-32-bytes'
interface Documented { readonly level: string, readonly fields: readonly string[], readonly optional: readonly string[] }
const DOCUMENTED = new Map<string, Documented>(Object.entries(EVENTS))
const ALL_FIELDS = { ...COMMON_FIELDS, ...FIELDS }
const TYPES = new Map<string, readonly FieldType[]>(Object.entries(ALL_FIELDS).map(([name, { types }]) => [name, types]))

t.test('every field of the catalogue stands in some event', async (t) => {
  const used = new Set([...DOCUMENTED.values()].flatMap(({ fields, optional }) => [...fields, ...optional]))
  t.same([...used].sort(), Object.keys(FIELDS).sort())
})

t.test('every event of the catalogue is written somewhere in the source, and no other', async (t) => {
  const sources = (readdirSync(SRC, { recursive: true }) as string[]).filter(file => file.endsWith('.ts') && file !== 'observe/events.ts')
  // As a member of an object, or of a line that is text from the beginning.
  const WRITTEN = /\bevent: '([a-z_]+\.[a-z_]+|fault)'|"event":"([a-z_.]+)"/g
  const named = new Set(sources.flatMap(file => [...readFileSync(SRC + file, 'utf8').matchAll(WRITTEN)].map(([, member, text]) => member ?? text ?? '')))
  t.same([...named].sort(), [...DOCUMENTED.keys()].sort())
})

const IS: Readonly<Record<FieldType, (value: unknown) => boolean>> = {
  string: value => typeof value === 'string',
  number: value => typeof value === 'number',
  true: value => value === true,
  null: value => value === null,
  strings: value => Array.isArray(value) && value.every(IS.string)
}

/** What is wrong with a line: an unknown event, another level, a field too many, too few or of another type. */
function faultsOf (line: LogLine): string[] {
  const known = DOCUMENTED.get(line.event)
  if (known === undefined) return [`no event ${line.event}`]
  const wanted = [...Object.keys(COMMON_FIELDS), ...known.fields]
  const allowed = new Set([...wanted, ...known.optional])
  const faults = [
    ...wanted.filter(field => !Object.hasOwn(line, field)).map(field => `no ${field}`),
    ...Object.keys(line).filter(field => !allowed.has(field)),
    ...Object.entries(line).filter(([field, value]) => !TYPES.get(field)?.some(type => IS[type](value))).map(([field]) => `type of ${field}`),
    ...(line['level'] === known.level ? [] : [`level ${String(line['level'])}`])
  ]
  return faults.map(fault => `${line.event}: ${fault}`)
}

function expectDocumented (t: Test, log: readonly LogLine[]): void {
  t.same([...new Set(log.flatMap(faultsOf))], [])
}

t.test('every line that gateways write is documented', async (t) => {
  const [issuer, redis] = await Promise.all([startIssuer(t), startRedis(t)])
  const until24h = new Date(Date.now() + 3_600_000).toISOString()
  const shared = { ...trust(issuer), REDIS_URL: redis.url, ADMIN_TOKEN }
  const [gateway, insecure, fleet] = await Promise.all([
    startGateway(t, { ...shared, WS_PLAIN_USER_PUBLISH: 'true' }),
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
  const expected = ['connection.accepted', 'connection.refused', 'connection.closed', 'message.limited', 'access.denied', 'forwarded_for.untrusted', 'bus.invalid', 'control.invalid', 'insecure.open', 'worker.started', 'supervisor.started', 'server.stopped']
  t.same(expected.filter(event => !written.has(event)), [])
})
