import { readLuaScript } from '../redis/lua-script.js'

/** What a Redis may answer; `status` is one of its plain words, such as OK. */
type Reply = number | string | null | readonly Reply[] | { readonly status: string } | { readonly members: readonly Reply[] } |
  { readonly told: readonly Reply[] }

const OK = { status: 'OK' }
/** A server that is up, alone, and has loaded its data. */
const INFO = 'redis_version:7.4.0\r\nredis_mode:standalone\r\nrun_id:stand-in\r\nloading:0\r\n'
/** Far enough ahead for a process that is gone in seconds. */
const ALIVE_MS = 3_600_000
const BEAT = readLuaScript(new URL('../nodes/lua/', import.meta.url), 'beat').sha
const RENEW = readLuaScript(new URL('../limits/redis/lua/', import.meta.url), 'renew').sha
const SETTLE_ORDERS = readLuaScript(new URL('../control/lua/', import.meta.url), 'settle-orders').sha
/** The argument with which an attempt begins in `admit.lua`: its kind, then the id of its connection, as `connections.ts` makes it. */
const ATTEMPT = /^(?:[aA]$|([ubBvcCwdD])[0-9a-f]{10}-)/
/** Kinds that ask where the user's own topic stands. */
const WITH_TOPIC: ReadonlySet<string | undefined> = new Set(['v', 'c', 'C', 'w', 'd', 'D'])
/** A topic that nothing was published to. */
const HEAD = 'stand-in 0 0 0'
/** Of the keys that `read-heads.lua` is given. */
const HISTORY = 'ws:history:'

/**
 * What a Redis with nothing in it would answer to this command, in RESP3 and as latin1, whatever was asked of it before. It knows
 * what a gateway asks whose clients open and close; an empty list, which is how the other scripts say that all went well, is the
 * answer to the rest.
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
  if (keys.length > 0 && keys.every((key) => key.includes(HISTORY))) return keys.map(() => HEAD)
  return rest.slice(keys.length).flatMap((argument) => {
    const attempt = ATTEMPT.exec(argument)
    if (attempt === null) return []
    return [WITH_TOPIC.has(attempt[1]) ? `=${HEAD}` : 0]
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
