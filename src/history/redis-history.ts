import { isUtf8 } from 'node:buffer'
import hashSlot from 'cluster-key-slot'
import { channelsOf, parseTopic } from '../bus/topics.js'
import { split } from '../collections/split.js'
import { historyKey } from '../redis/keys.js'
import { createScriptRunner, type RunScript, type ScriptClient } from '../redis/lua-script.js'
import type { JsonText } from '../wire/json-text.js'
import { checkPublication } from './event-payload.js'
import {
  SLICE_BYTES, SLICE_EVENTS, type Head, type HeadAnswer, type HeadQuestion, type History, type HistorySettings, type Publication,
  type Published, type Range, type Slice
} from './history.js'
import { createPublishLanes, type PublishLanes } from './publish-lanes.js'
import { loadHistoryScript, loadPublishScript } from './publish-script.js'
import { readHead, readHeadAnswers, readPublished, readSlice } from './script-replies.js'

/** The part of a client of Redis that the history uses. */
export interface HistoryClient extends ScriptClient {
  /** Sends a command whose answer holds bytes in place of text. */
  callBuffer (command: string, ...args: Array<string | number | Buffer>): Promise<unknown>
  /** Of one server: what is written while it is corked leaves as one write. A cluster has none. */
  readonly stream?: Corkable
}

interface Corkable {
  cork (): void
  uncork (): void
}

export interface RedisHistoryOptions {
  /** Not closed by the history. */
  readonly client: HistoryClient
  /** Of every key and channel. */
  readonly prefix: string
  readonly settings: HistorySettings
  /** The name under which this process hears what users' own topics carry; absent or null: it subscribes to each of them. */
  readonly process?: string | null
  /** How long a call may take, in ms. */
  readonly timeoutMs?: number
}

const TIMEOUT_MS = 1000
/** To the scripts: a process that needs no note of its own. */
const SOMEBODY = '1'
/** Times that a publication waits for those of its topic before it, at most. */
const TIMEOUTS_TO_WAIT = 10
/** Topics of one call: Redis does nothing else in that time, some 2 us for each. */
const HEADS_PER_CALL = 500
/** Publications of one topic in one call, some 10 us each, and bytes of their data. */
const PUBLICATIONS_PER_CALL = 64
const BYTES_PER_CALL = 1_048_576
const SHORT_BYTES = 4096

/** The history in Redis: each operation is one script, on one Redis and on a cluster. */
export function createRedisHistory (options: RedisHistoryOptions): History {
  return new RedisHistory(options)
}

/** Its public parts are bound: they may be passed on one by one. */
class RedisHistory implements History {
  private readonly prefix: string
  private readonly listener: string
  private readonly isCluster: boolean
  private readonly run: RunScript
  private readonly runForBytes: RunScript
  private readonly lanes: PublishLanes<Publication, Published>
  private readonly scripts: ReturnType<typeof loadScripts>
  private closed = false

  constructor ({ client, prefix, settings, process = null, timeoutMs = TIMEOUT_MS }: RedisHistoryOptions) {
    this.prefix = prefix
    this.listener = process ?? SOMEBODY
    this.isCluster = client.isCluster
    this.scripts = loadScripts(settings)
    this.run = createScriptRunner(client, timeoutMs)
    this.runForBytes = createScriptRunner(answeringBytes(client), timeoutMs)
    const { text, sha } = loadPublishScript(settings)
    this.lanes = createPublishLanes<Publication, Published>({
      send: async (batch, asText) => {
        const key = this.keyOf(batch[0]?.topic ?? '')
        const args = [...batch.flatMap(({ event, data, id }) => [event, toArgument(data), id ?? '']), 'tell']
        const reply = asText ? await client.eval(text, 1, key, ...args) : await client.evalsha(sha, 1, key, ...args)
        return readPublished(reply, batch.length, key)
      },
      timeoutMs,
      waitMs: TIMEOUTS_TO_WAIT * timeoutMs,
      most: PUBLICATIONS_PER_CALL,
      mostBytes: BYTES_PER_CALL,
      bytesOf: ({ data }) => data.bytes.length,
      together: (work) => { sendAsOneWrite(client.stream, work) }
    })
  }

  readonly publish = async (publications: readonly Publication[]): Promise<ReadonlyArray<PromiseSettledResult<Published>>> => {
    const results: Array<PromiseSettledResult<Published>> = []
    const byTopic = new Map<string, { readonly places: number[], readonly asked: Publication[] }>()
    for (const [place, publication] of publications.entries()) {
      try {
        this.checkOpen()
        checkPublication(publication)
      } catch (reason) {
        results[place] = { status: 'rejected', reason }
        continue
      }
      const group = byTopic.get(publication.topic) ?? { places: [], asked: [] }
      if (group.asked.length === 0) byTopic.set(publication.topic, group)
      group.places.push(place)
      group.asked.push(publication)
    }
    await Promise.all([...byTopic].map(async ([topic, { places, asked }]) => {
      const told = await this.lanes.publish(topic, asked)
      for (const [nth, result] of told.entries()) results[places[nth] ?? 0] = result
    }))
    return results
  }

  readonly readHeads = async (questions: readonly HeadQuestion[]): Promise<ReadonlyArray<PromiseSettledResult<HeadAnswer>>> => {
    const answers = new Map<HeadQuestion, PromiseSettledResult<HeadAnswer>>()
    const known = questions.filter(({ topic }) => parseTopic(topic) !== null)
    await Promise.all(this.toCalls(known).map(async (call) => {
      const results = await this.readHeadsOf(call)
      for (const [place, question] of call.entries()) {
        const result = results[place]
        if (result !== undefined) answers.set(question, result)
      }
    }))
    return questions.map(question => answers.get(question) ?? { status: 'rejected', reason: new TypeError('not a topic') })
  }

  readonly readEvents = async (topic: string, { epoch, from, to }: Range): Promise<Slice> => {
    this.checkOpen()
    const reply = await this.runForBytes(this.scripts.readEvents, [this.keyOf(topic)], [epoch, from, to, SLICE_EVENTS, SLICE_BYTES])
    return readSlice(reply)
  }

  readonly renew = async (topic: string, { epoch, top, topAtMs }: Head): Promise<Head> => {
    this.checkOpen()
    return readHead(await this.run(this.scripts.renew, [this.keyOf(topic)], [epoch, top, topAtMs]), this.scripts.renew.name)
  }

  readonly close = (): void => { this.closed = true }

  /** Which questions go in one call. */
  private toCalls (questions: readonly HeadQuestion[]): Array<readonly HeadQuestion[]> {
    if (!this.isCluster) return split(questions, HEADS_PER_CALL)
    const bySlot = new Map<number, HeadQuestion[]>()
    for (const question of questions) {
      const slot = hashSlot(this.keyOf(question.topic))
      bySlot.set(slot, [...bySlot.get(slot) ?? [], question])
    }
    return [...bySlot.values()].flatMap(sameSlot => split(sameSlot, HEADS_PER_CALL))
  }

  private async readHeadsOf (questions: readonly HeadQuestion[]): Promise<ReadonlyArray<PromiseSettledResult<HeadAnswer>>> {
    try {
      this.checkOpen()
      const keys = questions.map(({ topic }) => this.keyOf(topic))
      const args = questions.flatMap(({ since, touch }) => [since?.epoch ?? '', since?.offset ?? '', touch ? this.listener : ''])
      return readHeadAnswers(await this.run(this.scripts.readHeads, keys, args), keys)
    } catch (reason) {
      return questions.map(() => ({ status: 'rejected', reason }))
    }
  }

  private keyOf (topic: string): string {
    const [channel = ''] = channelsOf(topic, this.prefix)
    return historyKey(this.prefix, channel)
  }

  private checkOpen (): void {
    if (this.closed) throw new Error('the history is closed')
  }
}

function loadScripts (settings: HistorySettings) {
  return {
    readHeads: loadHistoryScript('read-heads', settings),
    readEvents: loadHistoryScript('read-events', settings),
    renew: loadHistoryScript('renew', settings)
  }
}

/** Text where it is short and can be one: a command of texts alone is put together at half the price of one that holds bytes. */
function toArgument ({ bytes }: JsonText): string | Buffer {
  return bytes.length <= SHORT_BYTES && isUtf8(bytes) ? bytes.toString() : bytes
}

/** Each lane's call is a write of its own, and a system call; those of one turn are gathered. */
function sendAsOneWrite (stream: Corkable | undefined, work: () => void): void {
  stream?.cork()
  try {
    work()
  } finally {
    stream?.uncork()
  }
}

/** The same client, whose answers hold bytes in place of text: what was published need not be UTF-8. */
function answeringBytes (client: HistoryClient): ScriptClient {
  return {
    isCluster: client.isCluster,
    evalsha: async (sha, keyCount, ...rest) => await client.callBuffer('evalsha', sha, keyCount, ...rest),
    eval: async (text, keyCount, ...rest) => await client.callBuffer('eval', text, keyCount, ...rest)
  }
}
