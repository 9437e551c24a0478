import { once } from 'node:events'
import { createServer } from 'node:net'
import type { Config } from '../../config/config.js'
import { findErrorCode } from '../../error-code.js'
import { isGatewayAt, type Ask } from './is-gateway-at.js'
import { fail, ok, warn, type Verdict } from './verdict.js'

const PART = 'ports'

/** One port that a start opens. */
interface Door {
  /** The settings that name it. */
  readonly portSetting: string
  readonly hostSetting: string
  readonly host: string
  readonly port: number
  readonly ask: Ask
  /** The other port, where the two are mistaken for each other. */
  readonly other: { readonly setting: string, readonly ask: Ask }
}

/** What a listen would fail with; null: it would do. The port is free again afterwards. */
async function findListenFault (host: string, port: number): Promise<string | null> {
  const server = createServer()
  try {
    server.listen({ host, port, exclusive: true })
    await once(server, 'listening')
    return null
  } catch (error) {
    return findErrorCode(error) ?? 'unknown'
  } finally {
    server.close()
  }
}

/** Who has the port. */
async function checkHolder ({ portSetting, host, port, ask, other }: Door, inUse: string): Promise<Verdict> {
  const [isSame, isOther] = await Promise.all([ask, other.ask].map(async one => await isGatewayAt({ host, port, ask: one })))
  if (isSame === true) return warn(PART, `${inUse}: a gateway serves there; another one can start only after it`)
  if (isOther === true) return fail(PART, `${inUse}: a gateway serves there as its ${other.setting}; were ${portSetting} and ${other.setting} swapped?`)
  return fail(PART, `${inUse}: another program listens there`)
}

/** Null: a free port is taken, and there is one. */
async function checkDoor (door: Door): Promise<Verdict | null> {
  const { portSetting, hostSetting, host, port } = door
  const fault = await findListenFault(host, port)
  switch (fault) {
    case null: return port === 0 ? null : ok(PART, `${portSetting}: ${port} is free on ${host}`)
    case 'EADDRINUSE': return await checkHolder(door, `${portSetting}: ${port} is in use on ${host} (${fault})`)
    case 'EACCES': return fail(PART, `${portSetting}: this user may not listen on ${port} (${fault})`)
    default: return fail(PART, `${hostSetting}: ${host} is no address of this host (${fault})`)
  }
}

/** Tries each port that a start opens. One that is taken from what is free (`PORT=0`) has a verdict only where there is none. */
export async function checkPorts ({ server, admin }: Config): Promise<Verdict[]> {
  const main: Ask = { tls: server.tls !== null, path: '/ws', status: 426, word: 'upgrade_required' }
  const health: Ask = { tls: false, path: '/healthz', status: 200, word: '"ok"' }
  const doors: readonly Door[] = [
    { portSetting: 'PORT', hostSetting: 'HOST', host: server.host, port: server.port, ask: main, other: { setting: 'ADMIN_PORT', ask: health } },
    { portSetting: 'ADMIN_PORT', hostSetting: 'ADMIN_HOST', host: admin.host, port: admin.port, ask: health, other: { setting: 'PORT', ask: main } }
  ]
  // Without a number there is no admin port.
  const verdicts = await Promise.all(doors.filter(({ portSetting, port }) => portSetting === 'PORT' || port !== 0).map(checkDoor))
  return verdicts.filter(verdict => verdict !== null)
}
