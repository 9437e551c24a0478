import { COLLECTING, readRssBytes, requireOpenFiles } from '../measure/memory.js'
import { runRounds } from '../measure/rounds.js'
import { createScope } from '../measure/scope.js'
import { startLoad } from '../load/start-load.js'
import { startBare, startUsualStack } from '../servers/controls.js'
import { startGateway } from '../servers/gateway.js'
import { startIssuer } from '../servers/issuer.js'
import { startRedis } from '../servers/redis.js'

export const title = 'resident memory per idle connection, between 1,000 and 9,000 of them, after a garbage collection'
const FEW = 1000
const MANY = 9000
const AGENTS = 1000

/** Each connection has an address, a user and a token of its own, holds a lease and follows five topics (its user's and four agents). */
export async function run (scope, { rounds, short, progress, before }) {
  requireOpenFiles(MANY)
  const issuer = await startIssuer(scope)
  const targets = Array.from({ length: MANY }, (_, n) => {
    const agents = [0, 1, 2, 3].map(k => `agent-${(n * 4 + k) % AGENTS}`)
    return `/ws?agent_ids=${agents.join(',')}&token=${issuer.token({ sub: `idle-user-${n}`, agents })}`
  })
  const subject = (name, start, greetingFrames, more = {}) => {
    const measure = async () => {
      const own = createScope()
      try {
        return await measureOnce(own, await start(own), targets, greetingFrames)
      } finally {
        await own.end()
      }
    }
    return { name, measure, ...more }
  }
  const startOurs = root => async own => await startGateway(own, { issuer, redis: await startRedis(own), root, execArgv: COLLECTING })
  const startUsual = async own => await startUsualStack(own, { issuer, redis: await startRedis(own), execArgv: COLLECTING })
  const rows = await runRounds([
    subject('bare uWebSockets.js', own => startBare(own, { execArgv: COLLECTING }), 1, { control: 'floor' }),
    subject('portcullis, authenticated, leased, 5 topics', startOurs(), 2),
    ...(before === undefined ? [] : [subject('before', startOurs(before), 2)]),
    ...(short ? [] : [subject('usual stack, authenticated, no topics', startUsual, 1, { control: 'usual' })])
  ], { rounds, unit: 'KB', progress })
  const floor = rows[0].median
  return rows.map(row => row.control === null ? { ...row, targetMax: 4 + floor } : row)
}

async function measureOnce (scope, server, targets, greetingFrames) {
  const load = await startLoad(scope, 'connections')
  const open = async (count, firstAddress) => {
    const part = targets.slice(firstAddress, firstAddress + count)
    await load.ask({ op: 'connect', port: server.port, targets: part, count, firstAddress, greeting: { frames: greetingFrames } })
    return await readRssBytes(server)
  }
  const few = await open(FEW, 0)
  const many = await open(MANY - FEW, FEW)
  return { value: (many - few) / (MANY - FEW) / 1000, extra: { 'RSS MB at 9,000': many / 1e6 } }
}
