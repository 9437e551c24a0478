import { becomesTrue } from './processes.js'

const NO_LEASE = 'in the end every lease is gone'
const NO_KEY = 'in the end every key of ours is gone or has an end'
const NO_TOPIC = 'in the end no subscription is left'
const NO_CONNECTION = 'in the end portcullis_connections is 0'
const NO_DROP = 'no log line was dropped'
const NO_RECORD = 'in the end no record of a connection is left'

const WITHIN_MS = 30_000

/** Sum of a metric over its labels; NaN where it is not there. @param {string} text @param {string} name */
function readMetric (text, name) {
  const values = [...text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'gm'))].map(([, value]) => Number(value))
  return values.length === 0 ? NaN : values.reduce((sum, value) => sum + value, 0)
}

async function readMetrics (gateway) {
  const response = await gateway.admin('/metrics')
  return await response.text()
}

/** Looks until it holds, or takes what was seen last for what is left. */
async function checkEventually (tally, invariant, findLeft) {
  let left = []
  const holds = await becomesTrue(async () => {
    left = await findLeft()
    return left.length === 0
  }, WITHIN_MS)
  tally.check(invariant, holds, () => ({ text: `${left.length} left`, lines: left.slice(0, 10) }))
}

/** With both gateways up and every client gone. @param {import('./world.js').World} world */
export async function checkNothingIsHeld ({ redis, gateways, tally }) {
  for (const gateway of gateways) {
    await checkEventually(tally, NO_CONNECTION, async () => {
      const open = readMetric(await readMetrics(gateway), 'portcullis_connections')
      return open === 0 ? [] : [{ gateway: gateway.name, open }]
    })
    const dropped = readMetric(await readMetrics(gateway), 'portcullis_audit_dropped_total')
    tally.check(NO_DROP, dropped === 0, () => ({ text: `${gateway.name}: ${dropped}` }))
  }
  await checkEventually(tally, NO_TOPIC, async () => (await redis.readTopics()).map(channel => ({ channel })))
  await checkEventually(tally, NO_LEASE, async () => (await redis.readKeys()).filter(({ key }) => key.startsWith('ws:ratelimit:user:')))
}

/** Kept for ever by design: what the back end has not taken yet, the key that passes are signed with, the name of the data set. */
const LASTING = new Set(['ws:inbound', 'ws:resume-key', 'ws:control:data-set'])

/** With every process ended in order. @param {import('./world.js').World} world */
export async function checkNothingIsLeft ({ redis, tally }) {
  await checkEventually(tally, NO_KEY, async () => (await redis.readKeys()).filter(({ key, ttlMs }) => ttlMs === -1 && !LASTING.has(key)))
  // A process that is killed between its first heartbeat and its entry in the list of nodes leaves the heartbeat: it has no connection yet.
  await checkEventually(tally, NO_RECORD, async () => (await redis.readKeys()).filter(({ key, fields }) => key === 'ws:nodes' || fields.some(field => field !== '')))
}
