import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Ajv2020 } from 'ajv/dist/2020.js'
import t from 'tap'
import { parse } from 'yaml'
import { loadConfig, unknownSettings } from '../../src/config/load-config.js'
import { objectAt, type JsonObject } from '../docs/documents.js'
import { PROJECT } from '../support/root.js'

const FOLDER = fileURLToPath(new URL('ops/compose', PROJECT))
const read = (file: string): string => readFileSync(join(FOLDER, file), 'utf8')
const COMPOSE = parse(read('compose.yaml')) as JsonObject
const SERVICES = COMPOSE['services'] as Record<string, JsonObject>
const service = (name: string): JsonObject => SERVICES[name] ?? {}
/** What `.env.example` asks for. */
const ASKED = [...read('.env.example').matchAll(/^([A-Z_]+)=/gm)].map(([, name = '']) => name)

t.test('the file is one of Compose, by its schema, which would find a mistake', async (t) => {
  const schema = JSON.parse(readFileSync(new URL('test/fixtures/compose/compose-spec.json', PROJECT), 'utf8')) as object
  const validate = new Ajv2020({ strict: false, validateFormats: false }).compile(schema)
  t.equal(validate(COMPOSE), true, JSON.stringify(validate.errors))
  t.equal(validate({ services: { gateway: { image: 'x', port: ['9001:9001'] } } }), false)
})

t.test('the gateway starts with these settings and the secrets of .env', async (t) => {
  const given = { ADMIN_TOKEN: 'a'.repeat(48), PUBLISH_KEY: 'p'.repeat(48) }
  const environment = service('gateway')['environment'] as Record<string, string>
  const env = Object.fromEntries(Object.entries(environment).map(([name, value]) =>
    [name, value.replace(/\$\{([A-Z_]+)(?::-([^}]*)|:\?[^}]*)?\}/g, (_all, asked: string, otherwise: string | undefined) => (given as Record<string, string>)[asked] ?? otherwise ?? '')]))
  t.equal(loadConfig({ ...env, NODE_ENV: 'production' }).admin.host, '0.0.0.0')
  t.same(unknownSettings(env), [])
  const used = [...read('compose.yaml').matchAll(/\$\{([A-Z_]+)/g)].map(([, name = '']) => name)
  t.same([...new Set(used)].toSorted(), ASKED.toSorted(), '.env.example asks for what the file uses')
})

t.test('images have an exact tag, ports are on loopback, and each file that is mounted is there', async (t) => {
  const services = Object.entries(SERVICES)
  t.same(services.filter(([, { image }]) => !/:v?\d+\.\d+\.\d+$/.test(String(image))).map(([name]) => name), [])
  const ports = services.flatMap(([, { ports }]) => ports as string[] | undefined ?? [])
  t.ok(ports.length > 0)
  t.same(ports.filter(port => !port.startsWith('127.0.0.1:')), [])
  const mounts = services.flatMap(([, { volumes }]) => volumes as string[] | undefined ?? []).map(volume => volume.split(':')[0] ?? '').filter(path => path.startsWith('.'))
  t.ok(mounts.length >= 5)
  t.same(mounts.filter(path => !existsSync(join(FOLDER, path))), [])
})

t.test('it is given more time to end than a drain takes, and files for all connections', async (t) => {
  const gateway = service('gateway')
  const { server } = loadConfig({ JWT_ISSUER: 'https://id.example.com', JWT_AUDIENCE: 'x', REDIS_URL: 'redis://127.0.0.1:6379' })
  t.ok(Number.parseInt(String(gateway['stop_grace_period']), 10) * 1000 > server.drainMs)
  t.ok(Number(objectAt(gateway, 'ulimits', 'nofile')['hard']) >= server.maxConnections + 256)
})

t.test('Prometheus asks the admin port by the name of the service, and Grafana knows Prometheus', async (t) => {
  const prometheus = parse(read('prometheus.yml')) as { scrape_configs: Array<{ static_configs: Array<{ targets: string[] }> }>, rule_files: string[] }
  t.same(prometheus.scrape_configs.flatMap(({ static_configs: configs }) => configs.flatMap(({ targets }) => targets)), ['gateway:9002'])
  t.match(read('grafana/datasource.yaml'), 'http://prometheus:9090')
  t.match(read('grafana/dashboards.yaml'), '/var/lib/grafana/dashboards')
})
