import { readLuaScript } from '../redis/lua-script.js'
import { answerMissed, EMPTY_HEAD, headOf } from './missed-events.js'

/** What a Redis may answer; `status` is one of its plain words, such as OK. */
type Reply = number | string | null | readonly Reply[] | { readonly status: string } | { readonly members: readonly Reply[] } |
  { readonly told: readonly Reply[] }

const OK = { status: 'OK' }
/** A server that is up, alone, and has loaded its data. */
const INFO = 'redis_version:7.4.0\r\nredis_mode:standalone\r\nrun_id:stand-in\r\nloading:0\r\n'
/** Far enough ahead for a process that is gone in seconds. */
const ALIVE_MS = 3_600_000
const BEAT = readLuaScript(new URL('../nodes/lua/', import.meta.url), 'beat').sha
const [RENEW, TAKE_GRANT] = ['renew', 'take-grant'].map(name => readLuaScript(new URL('../limits/redis/lua/', import.meta.url), name).sha)
const SETTLE_ORDERS = readLuaScript(new URL('../control/lua/', import.meta.url), 'settle-orders').sha
/** The argument with which an attempt begins in `admit.lua`: its kind, then the id of its connection, as `connections.ts` makes it. */
const ATTEMPT = /^(?:[aA]$|([ubBvcCwdD])[0-9a-f]{10}-)/
/** Kinds that ask where the user's own topic stands. */
const WITH_TOPIC: ReadonlySet<string | undefined> = new Set(['v', 'c', 'C', 'w', 'd', 'D'])
/** Messages of each grant: none waits for another one. */
const GRANTED = 100
/** Of the keys that `read-heads.lua` and `read-events.lua` are given. */
const HISTORY = 'ws:history:'
/** Which events: the second has this number of arguments, the first three for each key. */
const RANGE_ARGUMENTS = 5

/**
 * What a Redis with nothing in it but the events that the visitors missed would answer to this command, in RESP3 and as latin1,
 * whatever was asked of it before. It knows what a gateway asks whose clients open, ask for those events, and close; an empty list,
 * which is how the other scripts say that all went well, is the answer to the rest.
 */
export function answerRedis ([name = '', ...args]: readonly string[], nowMs: number): string {
  switch (name.toLowerCase()) {
    case 'evalsha': return render(answerScript(args, nowMs))
    case 'info': return render(INFO)
    case 'get': case 'hget': return render(null)
    case 'ping': return render({ status: 'PONG' })
    case 'client': case 'select': case 'set': case 'quit': case 'auth': return render(OK)
    case 'hello': return render({ members: ['server', 'redis', 'version', '7.4.0', 'proto', 3] })
    case 'hscan': case 'sscan': return render(['0', []])
    case 'subscribe': case 'unsubscribe': case 'ssubscribe': case 'sunsubscribe':
      return args.map((channel, place) => render({ told: [name.toLowerCase(), channel, place + 1] })).join('')
    default: return render([])
  }
}

function answerScript ([sha, keyCount, ...rest]: readonly string[], nowMs: number): Reply {
  if (sha === BEAT) return [nowMs + ALIVE_MS, 0]
  if (sha === RENEW) return [[], [], []]
  if (sha === SETTLE_ORDERS) return [nowMs]
  const keys = rest.slice(0, Number(keyCount))
  const own = rest.slice(keys.length)
  if (sha === TAKE_GRANT) return keys.map(() => [GRANTED, 0, nowMs, 0, 0])
  if (keys.length > 0 && keys.every((key) => key.includes(HISTORY))) {
    return keys.length === 1 && own.length === RANGE_ARGUMENTS ? answerMissed() : keys.map(headOf)
  }
  return own.flatMap((argument) => {
    const attempt = ATTEMPT.exec(argument)
    if (attempt === null) return []
    return [WITH_TOPIC.has(attempt[1]) ? `=${EMPTY_HEAD}` : 0]
  })
}

function render (reply: Reply): string {
  if (reply === null) return '_\r\n'
  if (typeof reply === 'number') return `:${reply}\r\n`
  if (typeof reply === 'string') return `$${reply.length}\r\n${reply}\r\n`
  if ('status' in reply) return `+${reply.status}\r\n`
  if ('members' in reply) return `%${reply.members.length / 2}\r\n${reply.members.map(render).join('')}`
  const [mark, items] = 'told' in reply ? ['>', reply.told] : ['*', reply]
  return `${mark}${items.length}\r\n${items.map(render).join('')}`
}
