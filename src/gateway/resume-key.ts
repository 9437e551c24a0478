import { randomBytes } from 'node:crypto'
import type { RedisConnection } from '../redis/connect.js'
import { resumeSecret } from '../redis/keys.js'

/** The secrets of resume passes, the same in all processes: the first makes passes, each is believed. */
export interface ResumeKey {
  /** None while none is known: no pass is made or believed then. */
  current (): readonly Buffer[]
  start (): void
  close (): void
}

export interface ResumeKeyOptions {
  /** `WS_RESUME_KEY`; none: the one kept in Redis, made by the first process that looks. */
  readonly configured: readonly string[]
  /** Null: without Redis, where a key that nobody configured would be gone with this process and its passes useless. */
  readonly redis: RedisConnection | null
  readonly prefix: string
  /** What stands in Redis is no key of ours: once, until it is one again. */
  readonly onUnreadable: () => void
  /** Time between two readings while the key is known, in ms. */
  readonly rereadMs?: number
}

const KEY_BYTES = 32
const KEY_TEXT = /^[A-Za-z0-9_-]{43}$/
const REREAD_MS = 30_000
const RETRY_MS = 1000

/** Makes the source of the key: the configured one, or `<prefix>ws:resume-key`. */
export function createResumeKey (options: ResumeKeyOptions): ResumeKey {
  const { configured, redis } = options
  if (configured.length > 0 || redis === null) {
    const keys = configured.map(key => Buffer.from(key))
    return { current: () => keys, start: () => {}, close: () => {} }
  }
  return keepInRedis(redis, options)
}

function keepInRedis (redis: RedisConnection, { prefix, onUnreadable, rereadMs = REREAD_MS }: ResumeKeyOptions): ResumeKey {
  const name = resumeSecret(prefix)
  let key: Buffer | null = null
  let readable = true
  let reading = false
  let closed = false
  let timer: NodeJS.Timeout | undefined

  function take (text: string): void {
    const isKey = KEY_TEXT.test(text)
    if (!isKey && readable) onUnreadable()
    readable = isKey
    key = isKey ? Buffer.from(text, 'base64url') : null
  }
  /** The first process names the key. After Redis lost its data, a process that still knows the old key names it again. */
  async function agree (): Promise<void> {
    const { commands } = redis
    const proposed = key ?? randomBytes(KEY_BYTES)
    const kept = await commands.get(name)
    if (kept !== null) return take(kept)
    await commands.set(name, proposed.toString('base64url'), 'NX')
    const agreed = await commands.get(name)
    if (agreed !== null) take(agreed)
  }
  async function read (): Promise<void> {
    if (reading || closed) return
    reading = true
    clearTimeout(timer)
    // Away: what is known goes on, what is not known is asked for again.
    await agree().catch(() => {})
    reading = false
    if (!closed) timer = setTimeout(() => { void read() }, key === null ? RETRY_MS : rereadMs).unref()
  }
  const stopWatching = redis.onChange((up) => { if (up) void read() })
  return {
    current: () => key === null ? [] : [key],
    start () { void read() },
    close () {
      closed = true
      clearTimeout(timer)
      stopWatching()
    }
  }
}
