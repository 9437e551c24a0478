import { randomUUID } from 'node:crypto'
import { Cluster } from '#ioredis'
import Type from '#typebox'
import { Compile } from '#typebox/compile'
import { openChannels } from '../bus/open-channels.js'
import { createPublisher } from '../bus/publisher.js'
import type { RedisClient } from '../redis/client.js'
import { createControlKeys } from '../redis/keys.js'
import { createAskBack, readGiveBack } from './give-back.js'

/** What every process is asked for. */
export interface Question {
  /** Null: everything. */
  readonly subject: string | null
  /** Entries after this one, in whatever order they have; null: from the first. */
  readonly after: string | null
  /** Entries at most of each process. */
  readonly limit: number
}

/** What one process answers. */
export interface Part<T> {
  readonly entries: readonly T[]
  /** It has more than these. */
  readonly more: boolean
}

/** What all processes answered. */
export interface RollCallAnswer<T> {
  readonly parts: ReadonlyArray<Part<T>>
  /** Processes that got the question and did not answer in time. */
  readonly missing: number
}

/** Asks every process for its part of an answer. */
export interface RollCall<T> {
  start (): void
  /** All parts that came in time: a process that does not answer is missing, not waited for. Rejects when Redis is away. */
  ask (question: Question): Promise<RollCallAnswer<T>>
  /** Asks all to give back what was lent ahead of this address's message window. Those asked for in one tick go together. */
  askBack (address: string): void
  close (): void
}

export interface RollCallOptions<T> {
  readonly client: RedisClient
  readonly prefix: string
  /** This process's part. */
  readonly answer: (question: Question) => Part<T>
  /** Whether another process answered with an entry of this version; others are left out. */
  readonly isEntry: (entry: unknown) => entry is T
  /** A process, perhaps this one, waits for what was lent ahead of these addresses' windows. */
  readonly onGiveBack?: (addresses: readonly string[]) => void
  /** The user of Redis has no right to a channel. */
  readonly onRefused?: (error: unknown) => void
  readonly timeoutMs?: number
}

interface Asked<T> { readonly parts: Array<Part<T>>, awaited: number, done: () => void }

const TIMEOUT_MS = 500
/** What a process that asks for no number gets: one of an older version. */
const MAX_ENTRIES = 1000
const MAX_QUESTION_BYTES = 16_384
const MAX_ANSWER_BYTES = 1_048_576
/** Of an answer, besides its entries. */
const ENVELOPE_BYTES = 256

const question = Compile(Type.Object({
  type: Type.Literal('ask'),
  id: Type.String({ maxLength: 64 }),
  subject: Type.String({ maxLength: 4096 }),
  /** The subject is everything; an older version then answers for a subject that nobody has. */
  all: Type.Optional(Type.Boolean()),
  after: Type.Optional(Type.String({ maxLength: 256 })),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: MAX_ENTRIES })),
  reply_to: Type.String({ maxLength: 128 })
}))
const answerMessage = Compile(Type.Object({
  type: Type.Literal('answer'),
  id: Type.String({ maxLength: 64 }),
  part: Type.Array(Type.Unknown()),
  more: Type.Optional(Type.Boolean())
}))

function parse (payload: Buffer, maxBytes: number): unknown {
  if (payload.length > maxBytes) return null
  try { return JSON.parse(payload.toString('utf8')) } catch { return null }
}

function writeQuestion (id: string, { subject, after, limit }: Question, replyTo: string): string {
  const about = subject === null ? { subject: '', all: true } : { subject }
  return JSON.stringify({ type: 'ask', id, ...about, ...(after === null ? {} : { after }), limit, reply_to: replyTo })
}

/** An answer as text. What would make it longer than the asker reads is left out, and said to be more. */
function writeAnswer<T> (id: string, { entries, more }: Part<T>): string {
  const texts: string[] = []
  let bytes = ENVELOPE_BYTES
  for (const entry of entries) {
    const text = JSON.stringify(entry)
    bytes += Buffer.byteLength(text) + 1
    if (bytes > MAX_ANSWER_BYTES) break
    texts.push(text)
  }
  const hasMore = more || texts.length < entries.length
  return `{"type":"answer","id":${JSON.stringify(id)},"part":[${texts.join(',')}]${hasMore ? ',"more":true' : ''}}`
}

/** Makes the roll call of one process over Redis: one channel to ask on, one of its own to be answered on. */
export function createRollCall<T> (options: RollCallOptions<T>): RollCall<T> {
  const { client, answer, isEntry, timeoutMs = TIMEOUT_MS } = options
  const sharded = client instanceof Cluster
  const keys = createControlKeys(options.prefix)
  const ownChannel = keys.answers + randomUUID()
  const open = new Map<string, Asked<T>>()
  /** Resolves with the number of processes that got it: on a cluster too, as all listen at the node of the slot. */
  const publish = createPublisher(client, timeoutMs)

  function onQuestion (payload: Buffer): void {
    const asked = parse(payload, MAX_QUESTION_BYTES)
    const addresses = readGiveBack(asked)
    if (addresses !== null) return options.onGiveBack?.(addresses)
    // Only a channel of our own kind is answered on: a question must not make us write anywhere else.
    if (!question.Check(asked) || !asked.reply_to.startsWith(keys.answers)) return
    const { id, subject, all, after = null, limit = MAX_ENTRIES } = asked
    const text = writeAnswer(id, answer({ subject: all === true ? null : subject, after, limit }))
    publish(asked.reply_to, text).catch(() => { /* the asker goes on without */ })
  }
  function onAnswer (payload: Buffer): void {
    const answered = parse(payload, MAX_ANSWER_BYTES)
    if (!answerMessage.Check(answered)) return
    const asked = open.get(answered.id)
    if (asked === undefined) return
    asked.parts.push({ entries: answered.part.filter(isEntry), more: answered.more === true })
    if (--asked.awaited === 0) asked.done()
  }

  const channels = openChannels(client, [sharded ? 'ssubscribe' : 'subscribe'], {
    onMessage: (channel, payload) => {
      if (channel === keys.ask) onQuestion(payload)
      else onAnswer(payload)
    },
    onConfirmed: () => {},
    onRefused: (_channels, error) => { options.onRefused?.(error) },
    onDenied: (error) => { options.onRefused?.(error) },
    onLost: () => { /* comes back by itself */ }
  })

  return {
    start () {
      channels.want(keys.ask)
      channels.want(ownChannel)
    },
    async ask (asking) {
      const id = randomUUID()
      const asked: Asked<T> = { parts: [], awaited: 0, done: () => {} }
      const text = writeQuestion(id, asking, ownChannel)
      await new Promise<void>((resolve, reject) => {
        let isCounted = false
        const timer = setTimeout(() => {
          // Without the count nobody can say that the parts are all there are, or that there are any.
          if (isCounted) resolve()
          else reject(new Error('Redis did not take the question in time'))
        }, timeoutMs)
        asked.done = () => { clearTimeout(timer); resolve() }
        open.set(id, asked)
        publish(keys.ask, text).then((receivers) => {
          // Answers may have overtaken the count.
          isCounted = true
          asked.awaited += receivers
          if (asked.awaited === 0) asked.done()
        }, reject)
      }).finally(() => { open.delete(id) })
      return { parts: asked.parts, missing: Math.max(0, asked.awaited) }
    },
    askBack: createAskBack(async text => await publish(keys.ask, text)),
    close () { channels.close() }
  }
}
