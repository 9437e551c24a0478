import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import type { Lease } from '../../../src/limits/limiter.js'
import { createRedisLimitReader } from '../../../src/limits/redis/limit-reader.js'
import { createRedisLimiter, type RecordOptions } from '../../../src/limits/redis/limiter.js'
import { loadAdmitScript, loadScript, type ScriptName } from '../../../src/limits/redis/scripts.js'
import { createScriptRunner, type LuaScript, type ScriptClient } from '../../../src/redis/lua-script.js'
import { startRedis } from '../../support/redis.js'
import { PROJECT } from '../../support/root.js'
import { SETTINGS } from '../limiter-conformance.js'
import { HANG_MS } from '../../support/until.js'

const names: ScriptName[] = [
  'admit', 'renew', 'release', 'take-grant', 'settle', 'keep-records', 'find-lost-records', 'forget-records', 'read-limits'
]

const load = (name: ScriptName, recordsKeptMs = 86_400_000): LuaScript =>
  name === 'admit' ? loadAdmitScript(SETTINGS, { recordsKeptMs, history: null }) : loadScript(name)

/** How many there are, from fewest to most. */
type Range = readonly [number, number]
interface Counts { readonly keys: Range, readonly arguments: Range }
interface Header {
  readonly fixed: Counts
  /** Of each kind of items, in the order in which they come. */
  readonly each: readonly Counts[]
}

function readRange (text: string | undefined): Range {
  const [fewest = NaN, most = fewest] = text?.split('-').map(Number) ?? []
  return [fewest, most]
}

const COUNTS = '(\\d+(?:-\\d+)?) KEYS, (\\d+(?:-\\d+)?) ARGV\\.'

function readHeader (text: string): Header {
  const line = new RegExp(`^-- Fixed: ${COUNTS}(?: Each \\w+: ${COUNTS})+$`, 'm').exec(text)
  if (line === null) throw new Error('a script without its header')
  const counts = [...line[0].matchAll(new RegExp(COUNTS, 'g'))].map(([, keys, count]) => ({ keys: readRange(keys), arguments: readRange(count) }))
  const [fixed, ...each] = counts as [Counts, ...Counts[]]
  return { fixed, each }
}

/** Whether what was sent is what a header says of so many items of each kind. */
function fits (sent: Sent, { fixed, each }: Header, items: readonly number[]): boolean {
  return (['keys', 'arguments'] as const).every((what) => [0, 1].every((end) => {
    const bound = each.reduce((sum, counts, kind) => sum + (items[kind] ?? 0) * (counts[what][end] ?? NaN), fixed[what][end] ?? NaN)
    return end === 0 ? sent[what] >= bound : sent[what] <= bound
  }))
}

t.test('every script in the folder is one that is used', async (t) => {
  const files = readdirSync(new URL('src/limits/redis/lua', PROJECT)).filter((file) => file.endsWith('.lua'))
  t.same(files.sort(), [...names, 'strike'].map((name) => `${name}.lua`).sort())
})

t.test('the table at the door of the limits has a row for each script', async (t) => {
  const page = readFileSync(new URL('src/limits/README.md', PROJECT), 'utf8')
  const rows = page.slice(page.indexOf('\n## Scripts')).matchAll(/^\| `([a-z-]+)` \|/gm)
  t.same([...rows].map(([, name]) => name).sort(), [...names, 'strike'].sort())
})

interface Sent {
  readonly sha: string
  readonly keys: number
  readonly arguments: number
  /** How many leases a call of `admit.lua` gives back. */
  readonly released: number
}

/** An address and a user. */
const MAX_QUESTIONS = 2

/** What one item and three items of each script are sent as. */
async function recordCalls (
  t: Test, isCluster: boolean, records: RecordOptions | null, check: (name: ScriptName, call: Sent, items: number) => void
): Promise<void> {
  const redis = await startRedis(t)
  const sent: Sent[] = []
  const recorder: ScriptClient = {
    isCluster,
    evalsha: async (sha, keyCount, ...rest) => {
      const released = String(rest[keyCount]).split(' ').filter((id) => id !== '').length
      sent.push({ sha, keys: keyCount, arguments: rest.length - keyCount, released })
      return await redis.client.evalsha(sha, keyCount, ...rest)
    },
    eval: async (text, keyCount, ...rest) => await redis.client.eval(text, keyCount, ...rest)
  }
  const reader = createRedisLimitReader(recorder, SETTINGS, { prefix: '', callTimeoutMs: HANG_MS })
  const limiter = createRedisLimiter(recorder, SETTINGS, { prefix: '', records, callTimeoutMs: HANG_MS })
  const namesBySha = new Map(names.flatMap((name) => [0, undefined].map((keptMs) => [load(name, keptMs).sha, name] as const)))
  for (const items of [1, 3]) {
    const address = `192.0.2.${items}`
    const leases: Lease[] = Array.from({ length: items }, (_, i) => ({ owner: `u${i}`, connectionId: `c${i}`, record: 'r' }))
    const settled = Array.from({ length: items }, (_, i) => ({ address, id: `n${i}:1:1`, granted: 2, spent: 1, lastSpentMs: 0 }))
    const resume = items === 1 ? null : { nonce: 'n', ttlMs: 1000 }
    await Promise.all(leases.map(async (lease) => await limiter.admit({ address, resume, lease })))
    await limiter.vacate([])
    await redis.client.flushall()
    await limiter.renew(leases)
    for (const lease of leases) limiter.release(lease)
    await limiter.vacate([])
    for (const lease of leases) limiter.release(lease)
    await Promise.all(leases.map(async (lease) => await limiter.admit({ address: null, lease })))
    // One of them with all settlements.
    await Promise.all(leases.map(async (_, i) => await limiter.takeGrant({ address: `192.0.${items}.${i}`, demand: 1, spare: 1 }, i === 0 ? settled : [])))
    limiter.settle(settled)
    await limiter.vacate([])
    await reader.read({ address, owner: items === 1 ? null : 'u0' })
    for (const call of sent.splice(0)) {
      const name = namesBySha.get(call.sha)
      if (name !== undefined) check(name, call, items)
    }
  }
  await limiter.close()
}

t.test('each header states how many KEYS and ARGV the limiter really sends, for one item and for three', async (t) => {
  const seen = new Set<string>()
  const record = { prefix: '', node: 'n', mayRestore: () => true }
  for (const [isCluster, records] of [[false, null], [false, record], [true, null], [true, record]] as const) {
    await recordCalls(t, isCluster, records, (name, call, items) => {
      const header = readHeader(load(name).text)
      // On a cluster a call is about as many as share a key and a moment.
      const itemsInCall = isCluster ? [1, 2, 3].slice(0, items) : [name === 'read-limits' ? Math.min(items, MAX_QUESTIONS) : items]
      const released = name === 'admit' ? call.released : 0
      const countsOf = (count: number): Array<readonly number[]> => {
        if (name === 'admit') return [[released, count]]
        return name === 'take-grant' ? [[count, items], [count, 0]] : [[count]]
      }
      seen.add(`${name}, ${items}`)
      if (released > 0) seen.add(`admit after release, ${released}`)
      t.ok(itemsInCall.flatMap(countsOf).some((counts) => fits(call, header, counts)), `${name}: ${call.keys} KEYS, ${call.arguments} ARGV`)
    })
  }
  const expected = [...names, 'admit after release'].flatMap((name) => [`${name}, 1`, `${name}, 3`])
  t.same([...seen].sort(), expected.sort(), 'all of them were sent')
})

t.test('each script names its fixed ARGV one by one in header and text, and no further', async (t) => {
  for (const name of [...names, 'strike']) {
    const own = readFileSync(new URL(`src/limits/redis/lua/${name}.lua`, PROJECT), 'utf8')
    const { fixed: { arguments: [fixedArguments] } } = readHeader(own)
    const expected = Array.from({ length: fixedArguments }, (_, i) => i + 1)
    const inHeader = [...own.matchAll(/^--(?: {7}| ARGV {2})\[(\d+)\]/gm)].map(([, index]) => Number(index))
    const inText = [...own.matchAll(/\bARGV\[(\d+)\]/g)].map(([, index]) => Number(index))
    t.same(inHeader, expected, `${name}: header`)
    t.same([...new Set(inText)].sort((a, b) => a - b), expected, `${name}: text`)
  }
})

t.test('includes are filled in, and the hash is of what is sent', async (t) => {
  for (const name of names) {
    const { text, sha } = load(name)
    t.notMatch(text, /-- include/)
    t.equal(sha, createHash('sha1').update(text).digest('hex'))
  }
})

t.test('the script of attempts has its limits in its text, and no part that they do not need', async (t) => {
  const history = { events: new Map([['user', 10]]), keepMs: 1000, maxBytes: 1000, metaMs: 60_000 }
  const [exact, counted, withTopics] = [
    loadAdmitScript(SETTINGS, { recordsKeptMs: 0, history: null }),
    loadAdmitScript({ ...SETTINGS, addressConnections: 5000 }, { recordsKeptMs: 0, history: null }),
    loadAdmitScript(SETTINGS, { recordsKeptMs: 0, history })
  ]
  t.match(exact.text, 'local LIMIT, WINDOW, WIDTH, SLOTS, LEASE, KEEP = 10, 60000, 0, 5, 30000, 0\n')
  t.match(counted.text, 'local LIMIT, WINDOW, WIDTH, SLOTS, LEASE, KEEP = 5000, 60000, 1017, 5, 30000, 0\n')
  const parts = ['open_window', 'RPUSH', 'cmsgpack']
  const partsOf = ({ text }: LuaScript): string[] => parts.filter((part) => text.includes(part))
  t.same([exact, counted, withTopics].map(partsOf), [['RPUSH'], ['open_window'], ['RPUSH', 'cmsgpack']])
  const load = (leaseMs: number): LuaScript => loadAdmitScript({ ...SETTINGS, leaseMs }, { recordsKeptMs: 0, history: null })
  for (const leaseMs of [NaN, 0.5, Infinity]) t.throws(() => load(leaseMs), RangeError)
})

t.test('a script that fails for another reason is not sent twice', async (t) => {
  let sent = 0
  const broken: ScriptClient = {
    isCluster: false,
    evalsha: async () => {
      sent++
      throw new Error('READONLY no')
    },
    eval: async () => { sent++ }
  }
  await t.rejects(createScriptRunner(broken, 1000)(loadScript('renew'), ['k'], [1, 'c']), /READONLY/)
  t.equal(sent, 1)
})
