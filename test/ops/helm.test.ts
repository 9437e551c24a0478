import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { parseAllDocuments } from 'yaml'
import { loadConfig, unknownSettings } from '../../src/config/load-config.js'
import { objectAt, type JsonObject } from '../docs/documents.js'
import { PROJECT } from '../support/root.js'

const run = promisify(execFile)
const { findHelm } = await import(new URL('scripts/find-helm.js', PROJECT).href) as { findHelm (options: { build: boolean }): string | null }
const helm = findHelm({ build: false })
const absent = helm === null && 'Helm is not there: node scripts/find-helm.js builds it with Go'
const CHART = fileURLToPath(new URL('ops/helm/portcullis', PROJECT))

/** Classes of the Kubernetes API by their version and kind, each with its schema. */
const kubernetes = createRequire(import.meta.url)
type ModelClass = new (object: object) => { validate (): void }

/** What the chart makes of these values. */
async function render (...more: string[]): Promise<JsonObject[]> {
  const { stdout } = await run(helm ?? '', ['template', 'front', CHART, '--namespace', 'gates', '--kube-version', '1.31.0', ...more])
  return parseAllDocuments(stdout).map(document => document.toJS() as JsonObject)
}

/** The objects that the API's own schema refuses, with the reason. */
function findInvalid (objects: readonly JsonObject[]): string[] {
  return objects.flatMap((object) => {
    const [kind, version] = [String(object['kind']), String(object['apiVersion'])]
    const Model = (kubernetes(`kubernetes-models/${version}`) as Record<string, ModelClass>)[kind]
    if (Model === undefined) return [`${version} ${kind}: no such kind`]
    try {
      new Model(object).validate()
      return []
    } catch (error) {
      return [`${kind}: ${String(error)}`]
    }
  })
}

const ofKind = (objects: readonly JsonObject[], kind: string): JsonObject => objects.find(object => object['kind'] === kind) ?? {}
const EVERYTHING = ['--set', 'ingress.enabled=true,ingress.tlsSecret=tls,autoscaling.enabled=true', '--set', 'ingress.annotations.a=b']

t.test('helm lint finds nothing, as it ships and with everything on', { skip: absent }, async (t) => {
  for (const more of [[], EVERYTHING]) {
    const { stdout } = await run(helm ?? '', ['lint', '--strict', CHART, ...more])
    t.match(stdout, '1 chart(s) linted, 0 chart(s) failed')
  }
})

t.test('what it renders passes the schemas of the Kubernetes API, and a mistake would not', { skip: absent }, async (t) => {
  const [plain, whole] = [await render(), await render(...EVERYTHING)]
  t.same(findInvalid([...plain, ...whole]), [])
  t.same(plain.map(({ kind }) => kind).toSorted(), ['ConfigMap', 'Deployment', 'NetworkPolicy', 'PodDisruptionBudget', 'Service'])
  t.same(whole.map(({ kind }) => kind).toSorted(), ['ConfigMap', 'Deployment', 'HorizontalPodAutoscaler', 'Ingress', 'NetworkPolicy', 'PodDisruptionBudget', 'Service'])
  t.not(objectAt(ofKind(plain, 'Deployment'), 'spec')['replicas'], undefined)
  t.equal(objectAt(ofKind(whole, 'Deployment'), 'spec')['replicas'], undefined, 'the autoscaler has the say')
  t.equal(findInvalid([{ apiVersion: 'v1', kind: 'Service', spec: { ports: [{ port: 'ws' }] } }]).length, 1)
})

t.test('the settings are sound, and a gateway gets no other', { skip: absent }, async (t) => {
  const objects = await render()
  const settings = ofKind(objects, 'ConfigMap')['data'] as Record<string, string>
  const env = { ...settings, REDIS_URL: 'rediss://redis.internal:6379', ADMIN_TOKEN: 'a'.repeat(48), PUBLISH_KEY: 'p'.repeat(48), NODE_ID: 'front-1' }
  t.equal(loadConfig(env).admin.host, '0.0.0.0')
  t.same(unknownSettings(env), [])
  const pod = objectAt(ofKind(objects, 'Deployment'), 'spec', 'template', 'spec')
  t.ok(Number(pod['terminationGracePeriodSeconds']) >= Number(settings['WS_DRAIN_SECONDS']) + 10)
  const longer = await render('--set-string', 'settings.WS_DRAIN_SECONDS=90')
  t.equal(objectAt(ofKind(longer, 'Deployment'), 'spec', 'template', 'spec')['terminationGracePeriodSeconds'], 105)
})

t.test('nobody who is not named reaches the admin port: an empty list is nobody, not everybody', { skip: absent }, async (t) => {
  const portsOf = async (values: string): Promise<unknown[]> => {
    const rules = objectAt(ofKind(await render('--set-json', values), 'NetworkPolicy'), 'spec')['ingress'] as JsonObject[] | null
    return (rules ?? []).map(rule => [(rule['ports'] as JsonObject[])[0]?.['port'], (rule['from'] as JsonObject[]).length])
  }
  t.same(await portsOf('networkPolicy={"clients":["a","b"],"operators":["c"]}'), [['ws', 2], ['admin', 1]])
  t.same(await portsOf('networkPolicy={"clients":["a"],"operators":[]}'), [['ws', 1]])
  t.same(await portsOf('networkPolicy={"clients":[],"operators":[]}'), [])
  const paths = objectAt(ofKind(await render(...EVERYTHING), 'Ingress'), 'spec')['rules'] as JsonObject[]
  t.notMatch(JSON.stringify(paths), /publish|recheck|9002|admin/)
})

t.test('values that nobody meant are refused before anything is installed', { skip: absent }, async (t) => {
  const values = join(t.testdir(), 'values.yaml')
  for (const text of ['settings: { ADMIN_TOKEN: secret }', 'replica: 3', 'existingSecret: ""', 'settings: { ws_origin: x }']) {
    writeFileSync(values, text)
    const output = await render('--values', values).then(() => 'rendered', (error: { stderr: string }) => error.stderr)
    t.match(output, 'values don\'t meet the specifications of the schema', text)
  }
})
