import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import type { Lease } from '../../src/limits/limiter.js'
import { createRedisLimiter } from '../../src/limits/redis-limiter.js'
import { createScriptRunner, loadScript, type ScriptName } from '../../src/limits/scripts.js'
import type { ScriptClient } from '../../src/redis/lua-script.js'
import { startRedis } from '../support/redis.js'
import { SETTINGS } from './limiter-conformance.js'

const names: ScriptName[] = ['admit', 'renew', 'release', 'take-grant', 'settle']

interface Header {
  readonly fixedKeys: number
  readonly fixedArguments: number
  readonly fewestKeys: number
  readonly mostKeys: number
  readonly arguments: number
}

function readHeader (text: string): Header {
  const found = /^-- Fixed: (\d+) KEYS, (\d+) ARGV\. Each \w+: (\d+)(?:-(\d+))? KEYS, (\d+) ARGV\.$/m.exec(text)
  if (found === null) throw new Error('a script without its header')
  const [fixedKeys = 0, fixedArguments = 0, fewestKeys = 0, mostKeys = fewestKeys, each = 0] =
    found.slice(1).map((number) => number === undefined ? undefined : Number(number))
  return { fixedKeys, fixedArguments, fewestKeys, mostKeys, arguments: each }
}

t.test('every script in the folder is one that is used', async (t) => {
  const files = readdirSync(new URL('../../src/limits/lua', import.meta.url)).filter((file) => file.endsWith('.lua'))
  t.same(files.sort(), names.map((name) => `${name}.lua`).sort())
})

t.test('each header states how many KEYS and ARGV the limiter really sends, for one item and for three', async (t) => {
  const redis = await startRedis(t)
  const sent: Array<{ sha: string, keys: number, arguments: number }> = []
  const recorder: ScriptClient = {
    isCluster: false,
    evalsha: async (sha, keyCount, ...rest) => {
      sent.push({ sha, keys: keyCount, arguments: rest.length - keyCount })
      return await redis.client.evalsha(sha, keyCount, ...rest)
    },
    eval: async (text, keyCount, ...rest) => await redis.client.eval(text, keyCount, ...rest)
  }
  const limiter = createRedisLimiter(recorder, SETTINGS, { prefix: '' })
  for (const items of [1, 3]) {
    const address = `192.0.2.${items}`
    const leases: Lease[] = Array.from({ length: items }, (_, i) => ({ userId: `u${i}`, connectionId: 'c' }))
    const settled = Array.from({ length: items }, (_, i) => ({ address, id: `n${i}:1:1`, granted: 2, spent: 1, lastSpentMs: 0 }))
    const calls: Record<ScriptName, () => Promise<unknown>> = {
      admit: async () => await Promise.all(leases.map(async (lease) => await limiter.admit({ address, lease }))),
      renew: async () => { await limiter.renew(leases) },
      release: async () => {
        for (const lease of leases) limiter.release(lease)
        await limiter.admit({ address, lease: null })
      },
      'take-grant': async () => await limiter.takeGrant({ address, demand: 1, spare: 1 }, settled),
      settle: async () => { limiter.settle(settled) }
    }
    for (const name of names) {
      const { text, sha } = loadScript(name)
      const header = readHeader(text)
      sent.length = 0
      await calls[name]()
      const call = sent.find((one) => one.sha === sha)
      t.equal(call?.arguments, header.fixedArguments + items * header.arguments, `${name}: ARGV`)
      t.ok((call?.keys ?? 0) >= header.fixedKeys + items * header.fewestKeys, `${name}: KEYS`)
      t.ok((call?.keys ?? 0) <= header.fixedKeys + items * header.mostKeys, `${name}: KEYS`)
    }
  }
  await limiter.close()
})

t.test('each script names its fixed ARGV one by one in header and text, and no further', async (t) => {
  for (const name of names) {
    const own = readFileSync(new URL(`../../src/limits/lua/${name}.lua`, import.meta.url), 'utf8')
    const { fixedArguments } = readHeader(own)
    const expected = Array.from({ length: fixedArguments }, (_, i) => i + 1)
    const inHeader = [...own.matchAll(/^--(?: {7}| ARGV {2})\[(\d+)\]/gm)].map(([, index]) => Number(index))
    const inText = [...own.matchAll(/\bARGV\[(\d+)\]/g)].map(([, index]) => Number(index))
    t.same(inHeader, expected, `${name}: header`)
    t.same([...new Set(inText)].sort((a, b) => a - b), expected, `${name}: text`)
  }
})

t.test('includes are filled in, and the hash is of what is sent', async (t) => {
  for (const name of names) {
    const { text, sha } = loadScript(name)
    t.notMatch(text, /-- include:/)
    t.equal(sha, createHash('sha1').update(text).digest('hex'))
  }
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
