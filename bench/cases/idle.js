import { COLLECTING, readRssBytes, requireOpenFiles } from '../measure/memory.js'
import { runRounds } from '../measure/rounds.js'
import { createScope } from '../measure/scope.js'
import { startLoad } from '../load/start-load.js'
import { centrifugoClient, startCentrifugo } from '../servers/centrifugo.js'
import { CENTRIFUGO, findCentrifugo } from '../servers/centrifugo-binary.js'
import { startBare, startUsualStack } from '../servers/controls.js'
import { startGateway } from '../servers/gateway.js'
import { startIssuer } from '../servers/issuer.js'
import { startRedis } from '../servers/redis.js'

export const title = 'resident memory per idle connection, between 1,000 and 9,000 of them, after a garbage collection'
const FEW = 1000
const MANY = 9000
const AGENTS = 1000
const ABOVE_BARE_KB = 4.5

/** Each connection has an address, a user and a token of its own, holds a lease and follows five topics (its user's and four agents). */
export async function run (scope, { rounds, short, progress, before }) {
  requireOpenFiles(MANY)
  const issuer = await startIssuer(scope)
  const clients = Array.from({ length: MANY }, (_, n) => {
    const [sub, agents] = [`idle-user-${n}`, [0, 1, 2, 3].map(k => `agent-${(n * 4 + k) % AGENTS}`)]
    return { sub, agents, target: `/ws?agent_ids=${agents.join(',')}&token=${issuer.token({ sub, agents })}` }
  })
  const targets = clients.map(({ target }) => target)
  const subject = (name, start, greetingFrames, { hellos, ...more } = {}) => {
    const partOf = (from, to) => hellos === undefined
      ? { targets: targets.slice(from, to) }
      : { targets: [centrifugoClient.target], lines: true, hellos: hellos.slice(from, to) }
    const measure = async () => {
      const own = createScope()
      try {
        return await measureOnce(own, await start(own), partOf, { frames: greetingFrames })
      } finally {
        await own.end()
      }
    }
    return { name, measure, ...more }
  }
  const listOther = () => {
    if (findCentrifugo() === null) return []
    const hellos = clients.map(({ sub, agents }) => centrifugoClient.hello(issuer.token({ sub, channels: [sub, ...agents] })))
    const start = async own => await startCentrifugo(own, { issuer, redis: await startRedis(own) })
    return [subject(`${CENTRIFUGO}, Redis, authenticated, 5 channels`, start, 1, { control: CENTRIFUGO, hellos })]
  }
  const startOurs = root => async own => await startGateway(own, { issuer, redis: await startRedis(own), root, execArgv: COLLECTING })
  const startUsual = async own => await startUsualStack(own, { issuer, redis: await startRedis(own), execArgv: COLLECTING })
  const rows = await runRounds([
    subject('bare uWebSockets.js', own => startBare(own, { execArgv: COLLECTING }), 1, { control: 'floor' }),
    subject('portcullis, authenticated, leased, 5 topics', startOurs(), 2, { targetRatios: { [CENTRIFUGO]: 1 } }),
    ...(before === undefined ? [] : [subject('before', startOurs(before), 2, { control: 'before' })]),
    ...(short ? [] : [...listOther(), subject('usual stack, authenticated, no topics', startUsual, 1, { control: 'usual' })])
  ], { rounds, unit: 'KB', progress })
  const floor = rows[0].median
  return rows.map(row => row.control === null ? { ...row, targetMax: ABOVE_BARE_KB + floor } : row)
}

async function measureOnce (scope, server, partOf, greeting) {
  const load = await startLoad(scope, 'connections')
  const open = async (count, firstAddress) => {
    await load.ask({ op: 'connect', port: server.port, count, firstAddress, ...partOf(firstAddress, firstAddress + count), greeting })
    return await readRssBytes(server, firstAddress + count)
  }
  const few = await open(FEW, 0)
  const many = await open(MANY - FEW, FEW)
  return { value: (many - few) / (MANY - FEW) / 1000, extra: { 'RSS MB at 9,000': many / 1e6 } }
}
