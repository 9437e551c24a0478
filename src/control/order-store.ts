import type { RedisClient } from '../redis/client.js'
import { UnexpectedReply } from '../redis/lua-reply.js'
import { createScriptRunner, readLuaScript } from '../redis/lua-script.js'
import { waitAtMost } from '../redis/bounded-wait.js'
import type { KeptOrder, LedgerTerms } from './order-record.js'

const settleScript = readLuaScript(new URL('./lua/', import.meta.url), 'settle-orders')

/** What a process asks of one name: what is kept; what counts beside what it knows itself; or to give or take back an order now. */
export interface Ask extends Omit<KeptOrder, 'keptUntilMs' | 'lifted'> {
  readonly want: 'read' | 'know' | 'know-lifted' | 'give' | 'lift'
}

/** What stands under one name afterwards; null: nothing. */
export interface Settled {
  readonly order: KeptOrder | null
  /** It was not kept: there are too many. */
  readonly refused: boolean
  /** Redis had something else, or nothing. */
  readonly written: boolean
}

/** `nowMs`: Redis's clock. */
interface SettledAt { readonly nowMs: number, readonly settled: readonly Settled[] }

/** A part of what is kept. `next`: where the following part begins; null: there is none. */
export interface Slice<T, Cursor> {
  readonly entries: readonly T[]
  readonly next: Cursor | null
}

/** A place in a sorted set: a score, and how many members of that score lie behind. */
export interface ScoreCursor { readonly score: string, readonly skip: number }

export const SET_START: ScoreCursor = { score: '-inf', skip: 0 }

/** Most names settled in one script call: it holds up Redis for less than 1 ms. */
export const SETTLED_TOGETHER = 100

export interface OrderStoreOptions {
  readonly client: RedisClient
  /** The sorted set of orders in force, and the hash of all; in one slot of a cluster. */
  readonly keys: { readonly orders: string, readonly records: string }
  readonly terms: LedgerTerms
  /** How long one call may take, 1 or more; longer rejects. */
  readonly timeoutMs: number
  /** A record was found that this version cannot read. */
  readonly onUnreadable: () => void
}

export type OrderStore = ReturnType<typeof createOrderStore>

const WANTS = { read: '?', know: '+', 'know-lifted': '-', give: 'give', lift: 'lift' } as const
const FIELDS_OF_REPLY = 6
/** Of the script's time of day. */
const ROUNDED_DOWN_MS = 1
const RECORD = /^(\d+) (\d+) ([+-]) \d+ \S+ (.*)$/s

/** The end of the year 9999: another program's entry may say any time, `inf` too. */
const LATEST_MS = 253_402_300_799_000
const readEnd = (text: string): number => Math.min(text === 'inf' ? Infinity : Number(text), LATEST_MS)

/** As settle-orders.lua reads it: what no clock says leaves room for what is later. */
const readGiven = (text: string): number => Number(text) < Number.MAX_SAFE_INTEGER ? Number(text) : Math.floor(Number.MAX_SAFE_INTEGER / 2)

/** Keeps one kind of orders in Redis, as settle-orders.lua says. All calls reject when Redis does not answer in time. */
export function createOrderStore ({ client, keys, terms, timeoutMs, onUnreadable }: OrderStoreOptions) {
  const run = createScriptRunner(client, timeoutMs)
  const fixed = [terms.maxOrders + 1, terms.whenFull, terms.onSecond] as const

  function toRecord (name: string, value: string, nowMs: number): KeptOrder[] {
    if (name === '') return []
    const [, given, end, state, member = ''] = RECORD.exec(value) ?? []
    if (given === undefined) { onUnreadable(); return [] }
    const keptUntilMs = readEnd(end ?? '')
    return [{ name, givenAtUs: readGiven(given), lifted: state === '-', remainingMs: keptUntilMs - nowMs, keptUntilMs, member }]
  }

  async function settleAt (asks: readonly Ask[], heardAtUs: number): Promise<SettledAt> {
    const args = asks.flatMap((ask) => [
      ask.name, WANTS[ask.want], ask.givenAtUs, Math.ceil(ask.remainingMs), ask.member === '' ? 0 : terms.reachOf(ask.member), ask.member
    ])
    const reply = await run(settleScript, [keys.orders, keys.records], [...fixed, heardAtUs, terms.unknownLiftMs, terms.witness, ...args])
    return readReply(reply, asks)
  }

  return {
    /** Settles some names in one step. `heardAtUs`: what is given now is later. */
    async settle (asks: readonly Ask[], heardAtUs: number): Promise<readonly Settled[]> {
      return (await settleAt(asks, heardAtUs)).settled
    },
    /**
     * Reads Redis's clock, and tells its time from then on, in ms: never behind, and ahead by no more than the reading took.
     * What is read later must not be measured by a time before it: an order given meanwhile would last longer than it does.
     */
    async readClock (): Promise<() => number> {
      const askedAtMs = performance.now()
      const { nowMs } = await settleAt([], 0)
      return () => nowMs + ROUNDED_DOWN_MS + performance.now() - askedAtMs
    },
    /** A slice of all records, of which those that have ended are left in. `clock`: Redis's. */
    async readRecords (cursor: string, clock: () => number, count: number): Promise<Slice<KeptOrder, string>> {
      const [next, flat] = await waitAtMost(client.hscan(keys.records, cursor, 'COUNT', count), timeoutMs, 'reading orders')
      const nowMs = clock()
      const entries: KeptOrder[] = []
      for (let at = 0; at < flat.length; at += 2) entries.push(...toRecord(flat[at] ?? '', flat[at + 1] ?? '', nowMs))
      return { entries, next: next === '0' ? null : next }
    },
    /** A slice of the sorted set, by score. */
    async readSet (from: ScoreCursor, count: number): Promise<Slice<{ readonly member: string, readonly endsAtMs: number }, ScoreCursor>> {
      const flat = await waitAtMost(client.zrangebyscore(keys.orders, from.score, '+inf', 'WITHSCORES', 'LIMIT', from.skip, count), timeoutMs, 'reading orders')
      return sliceOf(flat, from, count)
    }
  }
}

function readReply (reply: unknown, asks: readonly Ask[]): SettledAt {
  const flat: readonly unknown[] = Array.isArray(reply) ? reply : []
  const [nowMs, ...fields] = flat
  if (typeof nowMs !== 'number' || fields.length !== asks.length * FIELDS_OF_REPLY) throw new UnexpectedReply(settleScript.name, 'six fields of each order')
  const settled = asks.map(({ name }, n) => {
    const [givenAtUs, remainingMs, keptUntilMs, state, written, member] = fields.slice(n * FIELDS_OF_REPLY, (n + 1) * FIELDS_OF_REPLY)
    if (typeof givenAtUs !== 'number' || typeof remainingMs !== 'number' || typeof keptUntilMs !== 'number' || typeof member !== 'string') {
      throw new UnexpectedReply(settleScript.name, 'three numbers, two flags and a member')
    }
    const order = state === 0 ? null : { name, givenAtUs, remainingMs, keptUntilMs, lifted: state === 2, member }
    return { order, refused: state === 3, written: written === 1 }
  })
  return { nowMs, settled }
}

function sliceOf (flat: readonly string[], from: ScoreCursor, count: number): Slice<{ member: string, endsAtMs: number }, ScoreCursor> {
  const entries: Array<{ member: string, endsAtMs: number }> = []
  for (let at = 0; at < flat.length; at += 2) entries.push({ member: flat[at] ?? '', endsAtMs: readEnd(flat[at + 1] ?? '') })
  const end = entries.at(-1)?.endsAtMs
  if (end === undefined || entries.length < count) return { entries, next: null }
  const score = String(end)
  const skip = entries.filter(({ endsAtMs }) => endsAtMs === end).length + (score === from.score ? from.skip : 0)
  return { entries, next: { score, skip } }
}
