import { once } from 'node:events'
import { createServer } from 'node:net'
import type { Config } from '../../config/config.js'
import { findErrorCode } from '../../error-code.js'
import { isGatewayAt } from './is-gateway-at.js'
import { fail, ok, warn, type Verdict } from './verdict.js'

const PART = 'ports'

/** One port that a start opens. */
interface Door {
  /** The settings that name it. */
  readonly portSetting: string
  readonly hostSetting: string
  readonly host: string
  readonly port: number
  readonly tls: boolean
  /** What a gateway answers there to a GET: path, status, and a word of its body. */
  readonly asks: readonly [path: string, status: number, word: string]
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

async function checkDoor (door: Door): Promise<Verdict> {
  const { portSetting, hostSetting, host, port } = door
  const fault = await findListenFault(host, port)
  switch (fault) {
    case null: return ok(PART, `${portSetting}: ${port} is free on ${host}`)
    case 'EADDRINUSE': {
      const inUse = `${portSetting}: ${port} is in use on ${host} (${fault})`
      return await isGatewayAt(door)
        ? warn(PART, `${inUse}: a gateway serves there; another one can start only after it`)
        : fail(PART, `${inUse}: another program listens there`)
    }
    case 'EACCES': return fail(PART, `${portSetting}: this user may not listen on ${port} (${fault})`)
    default: return fail(PART, `${hostSetting}: ${host} is no address of this host (${fault})`)
  }
}

/** Tries each port that a start opens. One that is taken from what is free (0) has no verdict. */
export async function checkPorts ({ server, admin }: Config): Promise<Verdict[]> {
  const doors: readonly Door[] = [
    { portSetting: 'PORT', hostSetting: 'HOST', host: server.host, port: server.port, tls: server.tls !== null, asks: ['/ws', 426, 'upgrade_required'] },
    { portSetting: 'ADMIN_PORT', hostSetting: 'ADMIN_HOST', host: admin.host, port: admin.port, tls: false, asks: ['/healthz', 200, '"ok"'] }
  ]
  return await Promise.all(doors.filter(({ port }) => port !== 0).map(checkDoor))
}
