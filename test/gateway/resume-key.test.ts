import type { Redis, RedisKey } from '#ioredis'
import t, { type Test } from 'tap'
import { createResumeKey, type ResumeKey, type ResumeKeyOptions } from '../../src/gateway/resume-key.js'
import { connectRedis } from '../../src/redis/connect.js'
import { startRedis, type TestRedis } from '../support/redis.js'
import { HANG_MS, until } from '../support/until.js'

const KEY = 'ws:resume-key'

/** The key as one process has it; `away`: it starts without waiting for Redis. */
async function join (t: Test, url: string, more: Partial<ResumeKeyOptions> = {}, away = false): Promise<ResumeKey> {
  const redis = connectRedis({ url })
  const key = createResumeKey({ configured: [], redis, prefix: '', onUnreadable: () => {}, ...more })
  t.teardown(async () => {
    key.close()
    await redis.close()
  })
  if (!away) await redis.waitUntilUp(HANG_MS)
  key.start()
  return key
}

const kept = async ({ client }: TestRedis): Promise<string | undefined> => await client.get(KEY) ?? undefined
const textOf = (key: ResumeKey): string | undefined => key.current()[0]?.toString('base64url')

t.test('processes that start at once agree on one key of 32 bytes, kept in Redis', async (t) => {
  const redis = await startRedis(t)
  const keys = await Promise.all(Array.from({ length: 8 }, async () => await join(t, redis.url)))
  await until('all know it', () => keys.every(key => key.current().length > 0))
  t.equal(new Set(keys.map(textOf)).size, 1)
  t.equal(keys[0]?.current()[0]?.length, 32)
  t.equal(textOf(keys[0] as ResumeKey), await kept(redis))
  const late = await join(t, redis.url)
  await until('the latecomer knows it', () => late.current().length > 0)
  t.equal(textOf(late), await kept(redis))
})

t.test('who found none and comes second to write does not replace the key of the first', async (t) => {
  const redis = await startRedis(t)
  const connection = connectRedis({ url: redis.url })
  t.teardown(async () => { await connection.close() })
  await connection.waitUntilUp(HANG_MS)
  let first: ResumeKey | null = null
  const commands = Object.create(connection.commands) as Redis
  commands.get = async (name: RedisKey) => {
    const found = await connection.commands.get(name)
    // Between its look and its writing the other one does both.
    first ??= await join(t, redis.url)
    await until('the first knows its key', () => first?.current().length !== 0)
    return found
  }
  const second = createResumeKey({ configured: [], redis: { ...connection, commands }, prefix: '', onUnreadable: () => {} })
  t.teardown(second.close)
  second.start()
  await until('the second knows it', () => second.current().length > 0)
  t.equal(textOf(second), textOf(first as unknown as ResumeKey))
  t.equal(textOf(second), await kept(redis))
})

t.test('the prefix stands before it', async (t) => {
  const redis = await startRedis(t)
  const key = await join(t, redis.url, { prefix: 'mine:' })
  await until('it is known', () => key.current().length > 0)
  t.same(await redis.client.keys('*'), [`mine:${KEY}`])
})

t.test('while Redis is away there is none, and it comes when Redis does', async (t) => {
  const redis = await startRedis(t)
  await redis.stop()
  const key = await join(t, redis.url, {}, true)
  t.same(key.current(), [])
  await redis.restart()
  await until('it is known', () => key.current().length > 0)
  t.equal(textOf(key), await kept(redis))
})

t.test('a Redis that has lost it gets it back from whoever still knows it, and goes on without it meanwhile', async (t) => {
  const redis = await startRedis(t)
  const key = await join(t, redis.url)
  await until('it is known', () => key.current().length > 0)
  const before = textOf(key)
  await redis.stop()
  t.equal(textOf(key), before)
  await redis.restart()
  await until('it is there again', async () => await kept(redis) !== undefined)
  t.equal(await kept(redis), before)
  t.equal(textOf(key), before)
})

t.test('another key in Redis is taken over at the next reading', async (t) => {
  const redis = await startRedis(t)
  const key = await join(t, redis.url, { rereadMs: 20 })
  await until('it is known', () => key.current().length > 0)
  const other = Buffer.alloc(32, 7).toString('base64url')
  await redis.client.set(KEY, other)
  await until('it is taken over', () => textOf(key) === other)
})

t.test('what is no key is not used as one, and is told once', async (t) => {
  const redis = await startRedis(t)
  await redis.client.set(KEY, 'short')
  let told = 0
  const key = await join(t, redis.url, { onUnreadable: () => { told++ } })
  await until('it is told', () => told > 0)
  t.same(key.current(), [])
  await redis.client.set(KEY, Buffer.alloc(32, 7).toString('base64url'))
  await until('it is mended', () => key.current().length > 0)
  t.equal(told, 1)
})

t.test('a configured key is known from the start and asks no Redis; without either there is none', async (t) => {
  const options = { redis: null, prefix: '', onUnreadable: () => {} }
  const configured = ['a-resume-key-of-32-bytes-or-more', 'another-resume-key-of-32-bytes-or-more']
  t.same(createResumeKey({ ...options, configured }).current().map(String), configured)
  t.same(createResumeKey({ ...options, configured: [] }).current(), [])
})
