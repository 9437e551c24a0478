import t from 'tap'
import { parseAllDocuments } from 'yaml'
import { loadConfig, unknownSettings } from '../../src/config/load-config.js'
import { connect, freshAddress } from '../support/client.js'
import { findFreePort } from '../support/free-port.js'
import { startGateway, trust } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
import { offenders } from '../support/offenders.js'
import { startRedis } from '../support/redis.js'
import { until } from '../support/until.js'
import { objectAt, readDocument, type Json, type JsonObject } from './documents.js'
import { readGuideFile, runGuide } from './guide-commands.js'

const OBJECTS = parseAllDocuments(readGuideFile('kubernetes.yaml')).map((document) => {
  if (document.errors.length > 0) throw new Error(document.errors.join('\n'))
  return document.toJS() as JsonObject
})
const ofKind = (kind: string): JsonObject => OBJECTS.find(object => object['kind'] === kind) ?? {}
const listAt = (object: JsonObject, name: string): readonly JsonObject[] => object[name] as readonly JsonObject[]

const POD = objectAt(ofKind('Deployment'), 'spec', 'template', 'spec')
const CONTAINER = listAt(POD, 'containers')[0] ?? {}
const SETTINGS = ofKind('ConfigMap')['data'] as Readonly<Record<string, string>>
/** What the guide puts into the Secret. */
const SECRETS = [...readDocument('guides/kubernetes.md').matchAll(/--from-literal=([A-Z_]+)=/g)].map(([, name = '']) => name)
const probe = (name: string): Json | undefined => objectAt(CONTAINER, name, 'httpGet')['path']

t.test('the settings of the manifests are sound', (t) => {
  const secrets = { REDIS_URL: 'rediss://portcullis:secret@redis.internal:6379', ADMIN_TOKEN: 'a'.repeat(48), PUBLISH_KEY: 'p'.repeat(48) }
  t.same(SECRETS.toSorted(), Object.keys(secrets).toSorted())
  const names = listAt(CONTAINER, 'env').map(({ name }) => String(name))
  const env = { ...SETTINGS, ...secrets, ...Object.fromEntries(names.map(name => [name, 'portcullis-7d9f-x2k4p'])) }
  t.equal(loadConfig(env).server.nodeId, 'portcullis-7d9f-x2k4p')
  t.same(unknownSettings(env), [])
  t.equal(POD['enableServiceLinks'], false, 'no Service of the namespace becomes a setting')
  t.end()
})

t.test('the grace period is longer than preStop and the drain', (t) => {
  const command = objectAt(CONTAINER, 'lifecycle', 'preStop', 'exec')['command'] as readonly string[]
  t.equal(command[0], 'sleep')
  t.ok(Number(POD['terminationGracePeriodSeconds']) >= Number(command[1]) + Number(SETTINGS['WS_DRAIN_SECONDS']) + 5)
  t.end()
})

t.test('selectors, ports and names meet', (t) => {
  const labels = objectAt(ofKind('Deployment'), 'spec', 'template', 'metadata')['labels']
  t.same(objectAt(ofKind('Deployment'), 'spec', 'selector')['matchLabels'], labels)
  t.same(objectAt(ofKind('Service'), 'spec')['selector'], labels)
  t.same(objectAt(ofKind('PodDisruptionBudget'), 'spec', 'selector')['matchLabels'], labels)
  t.same(objectAt(ofKind('NetworkPolicy'), 'spec', 'podSelector')['matchLabels'], labels)
  t.same(listAt(CONTAINER, 'ports').map(({ name, containerPort }) => [name, containerPort]), [['ws', loadConfig({ ...SETTINGS }).server.port], ['admin', loadConfig({ ...SETTINGS }).admin.port]])
  t.same(listAt(objectAt(ofKind('Service'), 'spec'), 'ports').map(({ targetPort }) => targetPort), ['ws'], 'the admin port is in no Service')
  t.equal(objectAt(ofKind('HorizontalPodAutoscaler'), 'spec', 'scaleTargetRef')['name'], 'portcullis')
  t.end()
})

t.test('a pod\'s life, by its probes and its signal', async (t) => {
  const [issuer, redis, adminPort] = await Promise.all([startIssuer(t), startRedis(t), findFreePort()])
  const gateway = await startGateway(t, {
    ...SETTINGS, ...trust(issuer), REDIS_URL: redis.url, NODE_ID: 'portcullis-7d9f-x2k4p', ADMIN_PORT: String(adminPort), ADMIN_HOST: '127.0.0.1', WS_ALLOWED_ORIGINS: '', WS_DRAIN_SECONDS: '2'
  })
  const status = async (path: Json | undefined): Promise<number> => (await gateway.admin(String(path))).status

  await t.test('the probes say yes', async (t) => {
    t.same(await offenders(['startupProbe', 'livenessProbe', 'readinessProbe'], async name => await status(probe(name)) === 200), [])
  })

  await t.test('the commands of the guide print what it shows', async (t) => {
    await runGuide(t, 'kubernetes.md', { replace: { 'http://127.0.0.1:9002': `http://127.0.0.1:${adminPort}` } })
  })

  await t.test('SIGTERM: not ready but alive, every client sent away with 1012, exit 0', async (t) => {
    const clients = await Promise.all(Array.from({ length: 30 }, async (_, n) =>
      await connect(t, gateway, '/ws', { from: freshAddress(), headers: { authorization: `Bearer ${issuer.sign({ sub: `user-${n}` })}` } })))
    t.match(await gateway.waitForLog('connection.accepted'), { node: /^portcullis-7d9f-x2k4p-/ })
    gateway.signal('SIGTERM')
    await until('it is not ready', async () => await status(probe('readinessProbe')) === 503)
    t.equal(await status(probe('livenessProbe')), 200)
    t.same(new Set(await Promise.all(clients.map(async client => (await client.closed).code))), new Set([1012]))
    t.equal(await gateway.exited, 0)
  })
})
