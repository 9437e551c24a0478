import { readFileSync } from 'node:fs'
import { parseEnv } from 'node:util'
import t from 'tap'
import { parse } from 'yaml'
import { loadConfig, unknownSettings } from '../../src/config/load-config.js'
import { SETTINGS } from '../../src/config/settings.js'
import { PROJECT } from '../support/root.js'

const read = (file: string): string => readFileSync(new URL(file, PROJECT), 'utf8')

t.test('.env.example loads as it is, and each line that is commented out is a setting that is there', async (t) => {
  const text = read('.env.example')
  const env = parseEnv(text) as Record<string, string>
  t.not(loadConfig(env).redis, null)
  t.same(unknownSettings(env), [])
  const names = [...text.matchAll(/^#?([A-Z_]+)=/gm)].map(([, name = '']) => name)
  t.ok(names.length > 12)
  t.same(names.filter(name => !Object.hasOwn(SETTINGS, name)), [])
})

t.test('the systemd unit starts what npm start does, gives a drain its time, and no privilege', async (t) => {
  const unit = read('ops/systemd/portcullis.service')
  const of = (name: string): string => new RegExp(`^${name}=(.*)$`, 'm').exec(unit)?.[1] ?? ''
  const { scripts } = JSON.parse(read('package.json')) as { scripts: { start: string } }
  t.equal(of('ExecStart').replace('/usr/bin/', 'exec '), scripts.start)
  const { server } = loadConfig(parseEnv(read('.env.example')) as Record<string, string>)
  t.ok(Number(of('TimeoutStopSec')) * 1000 > server.drainMs)
  t.ok(Number(of('LimitNOFILE')) >= server.maxConnections + 256)
  // A just-in-time compiler writes what it runs.
  t.notMatch(unit, 'MemoryDenyWriteExecute')
  t.equal(of('NoNewPrivileges'), 'yes')
  t.equal(of('CapabilityBoundingSet'), '')
  t.equal(of('DynamicUser'), 'yes')
})

t.test('log shipping sends lines on by few labels, none of them of a client\'s choice', async (t) => {
  const { sinks } = parse(read('ops/log-shipping/vector.yaml')) as { sinks: { loki: { labels: Record<string, string> } } }
  t.same(Object.keys(sinks.loki.labels), ['app', 'event', 'level'])
})
