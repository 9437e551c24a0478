import type { Config } from '../../config/config.js'
import { revocationLastsMs } from '../../control/lifetime.js'
import { parseKeptRevocation } from '../../control/messages.js'
import { isWitness } from '../../control/order-record.js'
import { createOrderStore, SET_START, type ScoreCursor } from '../../control/order-store.js'
import { createRevocationLookup } from '../../control/revocation-lookup.js'
import { createRevocationTerms } from '../../control/revocation-terms.js'
import { limitPrefix } from '../../gateway/limit-prefix.js'
import type { RedisClient } from '../../redis/client.js'
import { connectRedis } from '../../redis/connect.js'
import { describeFailure } from '../../redis/describe-failure.js'
import { createControlKeys, createLimitKeys } from '../../redis/keys.js'
import { longestLifetimeMs } from '../../tokens/claim-rules.js'
import type { Identity } from '../../tokens/identity.js'
import { namesOf } from '../../tokens/token-name.js'
import { fail, ok, warn, type Verdict } from './verdict.js'

const PART = 'token'
const CONNECT_MS = 3000
const TIMEOUT_MS = 3000
const SLICE = 1000

/** What of a record decides nothing here. */
const UNREAD = { givenAtUs: 0, lifted: false, seenInRecords: 0, seenInOrders: 0 }

type RedisConfig = NonNullable<Config['redis']>

/** Redis's clock, in ms since the epoch. */
async function readClock (client: RedisClient): Promise<number> {
  const [seconds, micros] = await client.time()
  return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000)
}

/** Whether a revocation in force means this token, by what is kept in Redis. Writes nothing. */
async function checkRevocations (client: RedisClient, { prefix }: RedisConfig, identity: Identity, { tokens }: Config): Promise<Verdict> {
  const terms = createRevocationTerms(revocationLastsMs(longestLifetimeMs(tokens)))
  const store = createOrderStore({ client, keys: createControlKeys(prefix).revocations, terms, timeoutMs: TIMEOUT_MS, onUnreadable () {} })
  const nowMs = await readClock(client)
  const lookup = createRevocationLookup(() => nowMs)
  const names = namesOf(identity)
  for (let cursor: ScoreCursor | null = SET_START; cursor !== null;) {
    const slice = await store.readSet(cursor, SLICE)
    for (const { member, endsAtMs } of slice.entries) {
      const revocation = isWitness(terms, member) ? null : parseKeptRevocation(member)
      if (revocation === null || names[revocation.kind] !== revocation.id) continue
      lookup.follow(undefined, { ...UNREAD, name: member, member, endsAtMs, keptUntilMs: endsAtMs })
    }
    cursor = slice.next
  }
  return lookup.isRevoked(identity)
    ? fail(PART, 'revocations: one that is kept in Redis means it: an upgrade is refused (revoked)')
    : ok(PART, 'revocations: none that is kept in Redis means it')
}

/** How many of the user's slots are taken, by the leases that have not lapsed. */
async function checkSlots (client: RedisClient, { userId }: Identity, config: Config): Promise<Verdict> {
  const { userConnections } = config.limits
  const nowMs = await readClock(client)
  const key = createLimitKeys(limitPrefix(config)).user(userId)
  const taken = (await client.zrangebyscore(key, `(${nowMs}`, '+inf', 'LIMIT', 0, userConnections)).length
  const words = `user slot: ${taken} of WS_USER_CONNECTIONS (${userConnections}) are taken for ${JSON.stringify(userId)}`
  return taken < userConnections ? ok(PART, words) : warn(PART, `${words}: an upgrade is refused (user_connection_limit)`)
}

/** What Redis keeps of an accepted token and its user: revocations, and sockets that are open. */
export async function checkTokenStanding (identity: Identity, config: Config): Promise<Verdict[]> {
  if (config.redis === null) return [ok(PART, 'revocations, user slot: not asked about: without Redis each process knows its own')]
  const redis = connectRedis(config.redis)
  redis.commands.on('error', () => { /* what follows says it */ })
  try {
    if (!await redis.waitUntilUp(CONNECT_MS)) return [warn(PART, 'revocations, user slot: not looked at: Redis does not answer')]
    return [await checkRevocations(redis.commands, config.redis, identity, config), await checkSlots(redis.commands, identity, config)]
  } catch (error) {
    return [warn(PART, `revocations, user slot: not looked at: ${describeFailure(error)}`)]
  } finally {
    await redis.close()
  }
}
