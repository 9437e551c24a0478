import { randomUUID } from 'node:crypto'
import { Cluster } from '#ioredis'
import Type from '#typebox'
import { Compile } from '#typebox/compile'
import { openChannels } from '../bus/open-channels.js'
import { createPublisher } from '../bus/publisher.js'
import type { RedisClient } from '../redis/client.js'
import { createControlKeys } from '../redis/keys.js'

/** Asks every process for its part of an answer, and joins the parts. */
export interface RollCall<T> {
  start (): void
  /** All parts that came in time: a process that does not answer is missing, not waited for. Rejects when Redis is away. */
  ask (subject: string): Promise<T[]>
  close (): void
}

export interface RollCallOptions<T> {
  readonly client: RedisClient
  readonly prefix: string
  /** This process's part, at most `maxEntries` of it. */
  readonly answer: (subject: string) => readonly T[]
  /** Whether another process answered with an entry of this version; others are left out. */
  readonly isEntry: (entry: unknown) => entry is T
  readonly maxEntries?: number
  /** The user of Redis has no right to a channel. */
  readonly onRefused?: (error: unknown) => void
  readonly timeoutMs?: number
}

interface Question<T> { readonly parts: T[], awaited: number, done: () => void }

const TIMEOUT_MS = 500
const MAX_ENTRIES = 1000
const MAX_QUESTION_BYTES = 16_384
const MAX_ANSWER_BYTES = 1_048_576

const question = Compile(Type.Object({
  type: Type.Literal('ask'),
  id: Type.String({ maxLength: 64 }),
  subject: Type.String({ maxLength: 4096 }),
  reply_to: Type.String({ maxLength: 128 })
}))
const answerMessage = Compile(Type.Object({
  type: Type.Literal('answer'),
  id: Type.String({ maxLength: 64 }),
  part: Type.Array(Type.Unknown())
}))

function parse (payload: Buffer, maxBytes: number): unknown {
  if (payload.length > maxBytes) return null
  try { return JSON.parse(payload.toString('utf8')) } catch { return null }
}

/** Makes the roll call of one process over Redis: one channel to ask on, one of its own to be answered on. */
export function createRollCall<T> (options: RollCallOptions<T>): RollCall<T> {
  const { client, answer, isEntry, maxEntries = MAX_ENTRIES, timeoutMs = TIMEOUT_MS } = options
  const sharded = client instanceof Cluster
  const keys = createControlKeys(options.prefix)
  const ownChannel = keys.answers + randomUUID()
  const open = new Map<string, Question<T>>()
  const publishText = createPublisher(client, timeoutMs)
  /** Resolves with the number of processes that got it: on a cluster too, as all listen at the node of the slot. */
  const publish = async (channel: string, message: unknown): Promise<number> => await publishText(channel, JSON.stringify(message))

  function onQuestion (payload: Buffer): void {
    const asked = parse(payload, MAX_QUESTION_BYTES)
    // Only a channel of our own kind is answered on: a question must not make us write anywhere else.
    if (!question.Check(asked) || !asked.reply_to.startsWith(keys.answers)) return
    publish(asked.reply_to, { type: 'answer', id: asked.id, part: answer(asked.subject).slice(0, maxEntries) }).catch(() => { /* the asker goes on without */ })
  }
  function onAnswer (payload: Buffer): void {
    const answered = parse(payload, MAX_ANSWER_BYTES)
    if (!answerMessage.Check(answered)) return
    const asked = open.get(answered.id)
    if (asked === undefined) return
    asked.parts.push(...answered.part.filter(isEntry))
    if (--asked.awaited === 0) asked.done()
  }

  const channels = openChannels(client, [sharded ? 'ssubscribe' : 'subscribe'], {
    onMessage: (channel, payload) => {
      if (channel === keys.ask) onQuestion(payload)
      else onAnswer(payload)
    },
    onConfirmed: () => {},
    onRefused: (_channels, error) => { options.onRefused?.(error) },
    onLost: () => { /* comes back by itself */ }
  })

  return {
    start () {
      channels.want(keys.ask)
      channels.want(ownChannel)
    },
    async ask (subject) {
      const id = randomUUID()
      const parts: T[] = []
      await new Promise<void>((resolve, reject) => {
        const timer = setTimeout(resolve, timeoutMs)
        const done = (): void => { clearTimeout(timer); resolve() }
        const entry: Question<T> = { parts, awaited: 0, done }
        open.set(id, entry)
        publish(keys.ask, { type: 'ask', id, subject, reply_to: ownChannel }).then((receivers) => {
          // Answers may have overtaken the count.
          entry.awaited += receivers
          if (entry.awaited === 0) done()
        }, reject)
      }).finally(() => { open.delete(id) })
      return parts
    },
    close () { channels.close() }
  }
}
