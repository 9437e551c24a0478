import { makeRow } from '../measure/rounds.js'
import { requireOpenFiles } from '../measure/memory.js'
import { createScope } from '../measure/scope.js'
import { median, summarizeRatio } from '../measure/statistics.js'
import { startLoad } from '../load/start-load.js'
import { startGateway, UNLIMITED } from '../servers/gateway.js'
import { startIssuer } from '../servers/issuer.js'
import { startRedis } from '../servers/redis.js'

export const title = '10,000 open connections whose tokens the issuer is asked about every 30 s (RFC 7662): CPU of the process at rest, questions to the issuer'
const CONNECTIONS = 10_000
/** How fast they come is none of the case's: few at once are let in also where questions are paced. */
const IN_FLIGHT = 8
const PERIOD_S = 30
const UNIT = 'ms a second'

/** `perS`: what `JWT_INTROSPECT_PER_S` must be so that the period holds. */
const KINDS = [
  { name: 'not asked about', perToken: 5, perS: null },
  { name: 'a token of five connections', perToken: 5, perS: 100 },
  { name: 'a token of each connection', perToken: 1, perS: 500 },
  { name: 'a token of five connections, 50 questions a second: the period stretches', perToken: 5, perS: 50 }
]

/** @param {number} ms */
const pause = ms => new Promise((resolve) => { setTimeout(resolve, ms) })

/** `operations`: connections. `seconds`: of a round; a question comes once in a period, so that shorter ones see less than all. */
export async function run (scope, { rounds, progress, operations: connections = CONNECTIONS, seconds = PERIOD_S }) {
  requireOpenFiles(connections)
  const seen = []
  // One after the other: the connections of two at once would be more than a process may hold.
  for (const kind of KINDS) seen.push(await measureKind(scope, kind, { rounds, progress, connections, seconds }))
  progress('')
  const [resting] = seen.map(({ values }) => values)
  return seen.map(({ kind, values, extras }) => makeRow({
    name: kind.name,
    control: kind.perS === null ? 'not asked' : null,
    unit: UNIT,
    values,
    ratios: kind.perS === null ? {} : { 'not asked': summarizeRatio(values, resting) },
    extra: {
      ...medians(extras),
      ...(kind.perS === null ? {} : { 'µs a question': (median(values) - median(resting)) * 60_000 / medians(extras)['questions a minute'] })
    }
  }))
}

const medians = extras => Object.fromEntries(Object.keys(extras[0]).map(key => [key, median(extras.map(extra => extra[key]))]))

async function measureKind (scope, kind, { rounds, progress, connections, seconds }) {
  const own = createScope()
  scope.onEnd(own.end)
  const issuer = await startIssuer(own)
  const redis = await startRedis(own)
  const server = await startGateway(own, { issuer, redis, env: settingsOf(kind, issuer) })
  const load = await startLoad(own, 'connections')
  progress(`opening connections: ${kind.name}`)
  const targets = Array.from({ length: Math.ceil(connections / kind.perToken) }, (_, n) => `/ws?token=${issuer.token({ sub: `asked-${n}` })}`)
    .flatMap(target => Array.from({ length: kind.perToken }, () => target))
  await load.ask({ op: 'connect', port: server.port, targets, count: connections, firstAddress: 0, inFlight: IN_FLIGHT }, 600_000)
  progress(`a period passes: ${kind.name}`)
  await pause(PERIOD_S * 1000)
  const [values, extras] = [[], []]
  for (let round = 0; round < rounds; round++) {
    progress(`round ${round + 1} of ${rounds}: ${kind.name}`)
    const { value, extra } = await measureOnce({ server, redis, issuer }, seconds)
    values.push(value)
    extras.push(extra)
  }
  await own.end()
  return { kind, values, extras }
}

function settingsOf ({ perS }, issuer) {
  const asked = perS === null
    ? {}
    : {
        JWT_INTROSPECTION_URI: issuer.introspectionUrl,
        JWT_INTROSPECTION_CLIENT_ID: 'bench',
        JWT_INTROSPECTION_CLIENT_SECRET: 'secret-of-the-bench',
        JWT_INTROSPECT_S: String(PERIOD_S),
        JWT_INTROSPECT_PER_S: String(perS)
      }
  return { WS_IP_CONNECTIONS: UNLIMITED, ...asked }
}

async function measureOnce ({ server, redis, issuer }, seconds) {
  const [serverBefore, redisBefore, askedBefore, startedAt] = [server.cpuUs(), redis.cpuUs(), issuer.state.questions, performance.now()]
  await pause(seconds * 1000)
  const wallS = (performance.now() - startedAt) / 1000
  return {
    value: (server.cpuUs() - serverBefore) / wallS / 1000,
    extra: {
      'questions a minute': (issuer.state.questions - askedBefore) / wallS * 60,
      'Redis ms a second': (redis.cpuUs() - redisBefore) / wallS / 1000
    }
  }
}
