import { shorten } from './table.js'

/** What one connected user does; everything in the tables below follows from this and from the measured costs. */
export const ASSUMED = {
  'a connection lasts, s': 1800,
  'of them with a token seen before': 0.5,
  'messages that a user sends, per minute': 2,
  'script calls per message: who sends now and then has no grant at hand': 1,
  'events that a user gets, per minute': 6,
  'connections that one event goes to': 10,
  'ping of an open connection every, s': 25,
  'renewal of a lease every, s': 10,
  'a process or a Redis is full at, % of a core': 60
}
const FLEETS = [10_000, 100_000, 1_000_000, 10_000_000]
const DEFAULT_MAX_CONNECTIONS = 50_000

/** Whether a run has every case that the tables are made of. @param {{ results: object }} run */
export const hasCapacity = ({ results }) => ['upgrade', 'message', 'hold', 'limits', 'idle'].every(name => results[name] !== undefined)

/** The measured costs that the tables are made of, in µs of CPU; memory in KB and MB. */
export function readCosts (results) {
  const median = (name, row) => {
    const found = results[name].rows.find(one => one.name === row)
    if (found === undefined) throw new Error(`no row ${row} in ${name}`)
    return found
  }
  const gateway = {
    'upgrade, fresh token': median('upgrade', 'portcullis, fresh token'),
    'upgrade, known token': median('upgrade', 'portcullis, known token'),
    'message answered': median('message', 'portcullis, message limit on')
  }
  // `hold`: 10,000 deliveries a second, ten of each publication, so its share of a core in % is also the µs of each.
  const deliveredUs = results.hold.rows[0].extra['server %']
  const redis = {
    PING: median('limits', 'PING'),
    'lease renewed, 500 a call': median('limits', 'renew.lua, 500 at once, many keys'),
    'lease renewed, a call each (cluster)': median('limits', 'renew.lua, 500 at once, one call per key'),
    'admission, a call per key (cluster)': median('limits', 'admit.lua, one call per key'),
    'grant of messages': median('limits', 'take-grant.lua, many keys')
  }
  const idle = median('idle', 'portcullis, authenticated, leased, 5 topics')
  const figures = rows => Object.fromEntries(Object.entries(rows).map(([name, { median }]) => [name, median]))
  return {
    gateway: {
      ...figures(gateway),
      'event delivered to one of ten listeners': deliveredUs,
      'grant of messages': redis['grant of messages'].extra['client µs'],
      'lease renewed': redis['lease renewed, 500 a call'].extra['client µs']
    },
    redis: { ...figures(redis), 'upgrade, known token': gateway['upgrade, known token'].extra['Redis µs'] },
    idleKb: idle.median,
    processMb: idle.extra['RSS MB at 9,000'] - idle.median * 9
  }
}

function judge (users, { gateway, redis, idleKb, processMb }) {
  const connects = users / ASSUMED['a connection lasts, s']
  const known = ASSUMED['of them with a token seen before']
  const upgradeUs = gateway['upgrade, known token'] * known + gateway['upgrade, fresh token'] * (1 - known)
  const messages = users * ASSUMED['messages that a user sends, per minute'] / 60
  const grants = messages * ASSUMED['script calls per message: who sends now and then has no grant at hand']
  const events = users * ASSUMED['events that a user gets, per minute'] / 60
  const pings = users / ASSUMED['ping of an open connection every, s']
  const renewals = users / ASSUMED['renewal of a lease every, s']
  // A ping and its pong are as a message and its answer.
  const gatewayUs = connects * upgradeUs + messages * gateway['message answered'] + grants * gateway['grant of messages'] +
    renewals * gateway['lease renewed'] + events * gateway['event delivered to one of ten listeners'] + pings * gateway['message answered']
  const usablePerS = ASSUMED['a process or a Redis is full at, % of a core'] / 100 * 1e6
  const processes = Math.max(Math.ceil(gatewayUs / usablePerS), Math.ceil(users / DEFAULT_MAX_CONNECTIONS))
  const publishes = events / ASSUMED['connections that one event goes to']
  // Redis takes a publication and writes it to each process that listens; each is about a PING's work.
  const listening = Math.min(processes, ASSUMED['connections that one event goes to'])
  const others = publishes * redis.PING * (1 + listening) + grants * redis['grant of messages']
  const single = connects * redis['upgrade, known token'] + renewals * redis['lease renewed, 500 a call'] + others
  const cluster = connects * redis['admission, a call per key (cluster)'] + renewals * redis['lease renewed, a call each (cluster)'] + others
  const cores = us => us / 1e6
  return {
    users,
    'upgrades/s': connects,
    'gateway, cores busy': cores(gatewayUs),
    processes,
    'memory of all, GB': (users * idleKb / 1e6) + processes * processMb / 1000,
    'one Redis, % of a core': cores(single) * 100,
    'Redis nodes of a cluster': single <= usablePerS ? 'one Redis is enough' : Math.ceil(cluster / usablePerS),
    'all back within, s': users * upgradeUs / (processes * 1e6)
  }
}

const row = cells => `| ${cells.join(' | ')} |`
const table = (head, body) => [row(head), row(head.map(() => '---')), ...body.map(row)].join('\n')
const show = value => typeof value === 'number' && !Number.isInteger(value) ? shorten(value) : value.toLocaleString('en')

/** The capacity tables: costs, assumptions, fleets. */
export function renderCapacity (results) {
  const costs = readCosts(results)
  const fleets = FLEETS.map(users => judge(users, costs))
  const list = Object.entries({
    ...Object.fromEntries(Object.entries(costs.gateway).map(([name, us]) => [`gateway: ${name}, µs`, us])),
    ...Object.fromEntries(Object.entries(costs.redis).map(([name, us]) => [`Redis: ${name}, µs`, us])),
    'idle connection, KB': costs.idleKb,
    'process without connections, MB': costs.processMb
  })
  return [
    '### Measured', table(['cost', 'figure'], list.map(([name, value]) => [name, show(value)])),
    '### Assumed of one user', table(['', ''], Object.entries(ASSUMED).map(([name, value]) => [name, String(value)])),
    '### Fleets', table(Object.keys(fleets[0]), fleets.map(fleet => Object.values(fleet).map(show)))
  ].join('\n\n')
}
