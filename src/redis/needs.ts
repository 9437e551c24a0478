import { KINDS } from '../kinds.js'
import {
  createControlKeys, createLimitKeys, createNodeKeys, createTicketKeys, historyPrefix, inboundCounts, inboundStream, introspectionKey,
  nodeChannel, resumeSecret, spentStatement, topicChannelPrefix,
  type ControlKeys, type LedgerKeys, type LimitKeys, type NodeKeys, type TicketKeys
} from './keys.js'

/** What the gateway's user of Redis must be allowed to do with one name, with all names of one form, or without any. */
export interface Need {
  readonly on: 'key' | 'channel' | 'server'
  /** As rules of an ACL write it: `*` stands for an id. Empty where the commands take no name. */
  readonly pattern: string
  /** Commands in lower case. */
  readonly commands: readonly string[]
  /**
   * Those of them without which nobody, or no address that comes again and again, is let in. The others serve few attempts: of a user
   * who has all of her slots, or at a key that is kept in another way than before.
   */
  readonly decides: readonly string[]
}

export interface NeedsOptions {
  /** `REDIS_KEY_PREFIX`. */
  readonly prefix: string
  /** The prefix of the limits' keys: in a dry run another one. */
  readonly limitPrefix: string
  readonly isCluster: boolean
  /** How the windows are kept: times up to a limit of 1000, counters above. */
  readonly addressWindow: WindowKind
  readonly messageWindow: WindowKind
  /** Tokens of an issuer are introspected. */
  readonly introspects?: boolean
}

export type WindowKind = 'times' | 'counters'

const COUNTERS = ['hmget', 'hgetall', 'hset', 'hdel', 'hincrby', 'pexpire', 'del', 'type'] as const
const EXPIRING = ['zremrangebyscore', 'zcard', 'zscore', 'zpopmin', 'zadd', 'zrange', 'pexpireat', 'zrangebyscore', 'zrem'] as const

/** By script and by plain command, for each kind of key; the compiler wants a row for each name in keys.ts. */
const ON_LIMITS = {
  address: { times: ['lindex', 'rpush', 'ltrim', 'pexpire', 'del', 'type'], counters: COUNTERS },
  resume: ['set'],
  user: ['zremrangebyscore', 'zcard', 'zscore', 'zadd', 'pexpire', 'zrangebyscore', 'zrem'],
  messages: {
    times: ['zrem', 'zadd', 'zremrangebyscore', 'zcard', 'zcount', 'zrange', 'zrevrangebyscore', 'pexpire', 'del', 'type'],
    counters: ['hget', ...COUNTERS]
  },
  strikes: COUNTERS
} as const satisfies Record<keyof LimitKeys, readonly string[] | Record<WindowKind, readonly string[]>>

/** Of these, what letting in takes. */
const LETTING_IN = {
  address: { times: ['lindex', 'rpush', 'ltrim', 'pexpire'], counters: ['hmget', 'hgetall', 'hset', 'hdel', 'hincrby', 'pexpire'] },
  user: ['zremrangebyscore', 'zcard', 'zadd', 'pexpire']
} as const

const ON_NODES = {
  index: ['zadd', 'pexpire', 'zrangebyscore', 'zscore', 'zrem'],
  records: ['hset', 'hget', 'hmget', 'hdel', 'hscan', 'hlen', 'pexpire', 'del'],
  claimed: ['pexpire', 'sadd', 'sscan', 'srem', 'del']
} as const satisfies Record<keyof NodeKeys, readonly string[]>

const ON_LEDGER = {
  orders: EXPIRING, records: ['hget', 'hset', 'hdel', 'hlen', 'hscan', 'pexpireat']
} as const satisfies Record<keyof LedgerKeys, readonly string[]>

const ON_CONTROL = {
  revocations: ON_LEDGER, bans: ON_LEDGER, orders: EXPIRING, ban: ['set', 'del']
} as const satisfies Record<Exclude<keyof ControlKeys, 'channel' | 'ask' | 'answers'>, readonly string[] | typeof ON_LEDGER>

const ON_INBOUND = ['xlen', 'xadd', 'xrange'] as const
const ON_INBOUND_COUNTS = ['lindex', 'ltrim', 'lset', 'rpush', 'pexpire'] as const
/** Heads, events, and where the connections of a user are. */
const ON_HISTORY = ['get', 'set', 'pexpire', 'del', 'hget', 'hset', 'hdel', 'hgetall', 'hlen'] as const
const ON_SECRET = ['get', 'set'] as const
const ON_INTROSPECTION = ['hmget', 'hset', 'hdel', 'pexpire'] as const
const ON_SPENT = ['get', 'set'] as const

const ON_TICKETS = { ticket: ['set', 'getdel'], proof: ['set'] } as const satisfies Record<keyof TicketKeys, readonly string[]>

/** What needs no key and no channel. The client library asks INFO and QUIT; scripts ask the time. */
export const PLAIN_COMMANDS = ['eval', 'evalsha', 'time', 'ping', 'quit', 'info', 'unsubscribe', 'sunsubscribe'] as const

/** Commands whose only part is to run others. Scripts are sent again by EVAL where Redis has lost them. */
const RUNNERS = ['evalsha', 'eval'] as const
/** What is asked about keys that an attempt is decided with. Without EVAL all goes on for as long as Redis knows the scripts. */
const RUNNER = 'evalsha'
const ANY = '*'

const key = (pattern: string, commands: readonly string[], decides: readonly string[] = []): Need =>
  ({ on: 'key', pattern, commands: [...new Set([...commands, ...RUNNERS])], decides: decides.length === 0 ? [] : [...new Set([...decides, RUNNER])] })

/**
 * What keeps connections, and the time, which each script of the limits asks. INFO is left out, as all works without it, and QUIT,
 * which nobody can be denied.
 */
const onServer = (isCluster: boolean): Need => ({
  on: 'server', pattern: '', commands: ['time', 'ping', 'unsubscribe', ...(isCluster ? ['sunsubscribe'] : [])], decides: ['time']
})

/** All that the gateway asks of its Redis, by key and channel. `check` tries it, and the log names what is denied by it. */
export function redisNeeds ({ prefix, limitPrefix, isCluster, addressWindow, messageWindow, introspects = false }: NeedsOptions): Need[] {
  const limits = createLimitKeys(limitPrefix)
  const nodes = createNodeKeys(prefix)
  const control = createControlKeys(prefix)
  const tickets = createTicketKeys(prefix)
  const ledgerNeeds = ({ orders, records }: LedgerKeys): Need[] => [key(orders, ON_LEDGER.orders), key(records, ON_LEDGER.records)]
  return [
    onServer(isCluster),
    key(limits.address(ANY), ON_LIMITS.address[addressWindow], LETTING_IN.address[addressWindow]),
    key(`${limits.resume(ANY, '')}${ANY}`, ON_LIMITS.resume),
    key(`${limits.user('')}${ANY}`, ON_LIMITS.user, LETTING_IN.user),
    key(limits.messages(ANY), ON_LIMITS.messages[messageWindow]),
    key(limits.strikes(ANY), ON_LIMITS.strikes),
    key(nodes.index, ON_NODES.index),
    // On a single Redis they are a key of the call that decides, and a call with one key that is denied is denied whole.
    key(`${nodes.records('')}${ANY}`, ON_NODES.records, isCluster ? [] : [RUNNER]),
    key(nodes.claimed('').replace('}', `${ANY}}`), ON_NODES.claimed),
    ...ledgerNeeds(control.revocations),
    ...ledgerNeeds(control.bans),
    key(control.orders, ON_CONTROL.orders),
    key(control.ban(ANY), ON_CONTROL.ban),
    key(inboundStream(prefix), ON_INBOUND),
    key(`${inboundCounts(prefix, '')[0]}${ANY}`, ON_INBOUND_COUNTS),
    key(historyPrefix(prefix) + ANY, ON_HISTORY),
    key(resumeSecret(prefix), ON_SECRET),
    ...(introspects ? [key(introspectionKey(prefix, ANY), ON_INTROSPECTION)] : []),
    key(spentStatement(prefix, ANY), ON_SPENT),
    key(tickets.ticket(ANY), ON_TICKETS.ticket),
    key(tickets.proof(ANY), ON_TICKETS.proof),
    ...channelNeeds(prefix, isCluster)
  ]
}

function channelNeeds (prefix: string, isCluster: boolean): Need[] {
  const { channel, ask, answers } = createControlKeys(prefix)
  const own = isCluster ? ['ssubscribe', 'spublish'] : ['subscribe', 'publish']
  const topics = [...KINDS.map(({ kind }) => kind), 'user'].map(kind => topicChannelPrefix(prefix, kind) + ANY)
  const all = [channel, ask, answers + ANY, ...topics]
  // A script of the history tells single processes; on a cluster it publishes in its own slot only.
  const nodes: Need[] = isCluster ? [] : [{ on: 'channel', pattern: nodeChannel(prefix, '') + ANY, commands: ['subscribe', 'publish'], decides: [] }]
  return nodes.concat(all.flatMap((pattern): Need[] => [
    // On a cluster back ends may publish orders either way.
    { on: 'channel', pattern, commands: isCluster && pattern === channel ? ['subscribe', ...own] : own, decides: [] },
    // Publishing is a script that a replica refuses: it deletes a key of the channel's name, which nobody has.
    key(pattern, ['del'])
  ]))
}

/** The pattern of a key or channel of ours; null for any other. It holds no id, so it may stand in a log. */
export function patternOf (name: string, needs: readonly Need[]): string | null {
  const fits = ({ pattern }: Need): boolean => {
    const [before = '', after] = splitAtStar(pattern)
    if (after === undefined) return name === pattern
    return name.length >= before.length + after.length && name.startsWith(before) && name.endsWith(after)
  }
  return needs.find(fits)?.pattern ?? null
}

/** What stands before the first `*` and after the last. */
function splitAtStar (pattern: string): [string, string?] {
  const [first, last] = [pattern.indexOf('*'), pattern.lastIndexOf('*')]
  return first < 0 ? [pattern] : [pattern.slice(0, first), pattern.slice(last + 1)]
}
