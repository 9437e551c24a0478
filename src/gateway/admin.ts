import { Compile } from 'typebox/compile'
import { CannotStart } from '../cannot-start.js'
import { parseAddress } from '../address/client-address.js'
import type { Config } from '../config/config.js'
import { parseRevocation } from '../control/revocation-request.js'
import { createAdminServer, type AdminServer } from '../http/node-host.js'
import { refusalAnswer, type AdminAnswer } from '../http/answers.js'
import { createAuthenticator } from '../http/auth.js'
import type { AdminRequest, AdminRoute } from '../http/match-routes.js'
import { answerPublish, MAX_PUBLISH_BYTES } from '../http/publish.js'
import { BanBodySchema, MAX_BAN_S } from '../http/request-schemas.js'
import type { Operations } from './operations.js'
import type { OnFault } from './report.js'

export interface AdminPart {
  /** Resolves with the port; null when the admin port is off. */
  listen (): Promise<number | null>
  close (): Promise<void>
}

const MAX_BODY_BYTES = 16_384
const MAX_USER_ID_LENGTH = 2048
const BAD_USER_ID = refusalAnswer('bad_request', 'user_id: wanted 1 to 2048 characters, or none for all')
const banBody = Compile(BanBodySchema)
const DONE: AdminAnswer = { status: 204 }
const UNAVAILABLE: AdminAnswer = { ...refusalAnswer('unavailable', 'Redis cannot be asked now; try again'), headers: { 'Retry-After': '1' } }

/** An order that could not be kept where it survives a restart has not been carried out. */
async function ordered (work: Promise<void>): Promise<AdminAnswer> {
  try {
    await work
    return DONE
  } catch {
    return UNAVAILABLE
  }
}

function revocationRoute (method: 'POST' | 'DELETE', config: Config, { orders }: Operations): AdminRoute {
  return {
    method,
    path: '/v1/revocations',
    access: 'bearer',
    async handle (request) {
      const body = await request.readJson(MAX_BODY_BYTES)
      if (!body.ok) return body.answer
      const revocation = parseRevocation(body.value, Date.now(), config.tokens.maxLifetimeMs)
      if (typeof revocation === 'string') return refusalAnswer('bad_request', revocation)
      if (revocation.issuer !== null && !config.tokens.issuers.some(issuer => issuer.name === revocation.issuer)) {
        return refusalAnswer('bad_request', 'issuer: wanted the name of a configured issuer')
      }
      return await ordered(method === 'POST' ? orders.revoke(revocation) : orders.unrevoke(revocation))
    }
  }
}

/** Bans are kept by the key that limits count: an IPv6 address stands for its /64. */
function bannedKey (request: AdminRequest): string | null {
  const text = request.params.get('address') ?? ''
  return parseAddress(text.replace(/\/64$/, ''))?.key ?? null
}

function banRoutes ({ orders }: Operations): AdminRoute[] {
  const path = '/v1/bans/:address'
  const notAnAddress = refusalAnswer('bad_request', 'wanted an IPv4 or IPv6 address')
  return [{
    method: 'PUT',
    path,
    access: 'bearer',
    async handle (request) {
      const key = bannedKey(request)
      if (key === null) return notAnAddress
      const body = await request.readJson(MAX_BODY_BYTES)
      if (!body.ok) return body.answer
      if (!banBody.Check(body.value)) return refusalAnswer('bad_request', `seconds: wanted a number from 1 to ${MAX_BAN_S}`)
      return await ordered(orders.ban(key, body.value.seconds * 1000))
    }
  }, {
    method: 'DELETE',
    path,
    access: 'bearer',
    async handle (request) {
      const key = bannedKey(request)
      return key === null ? notAnAddress : await ordered(orders.unban(key))
    }
  }]
}

function userRoutes ({ orders, listConnections }: Operations): AdminRoute[] {
  return [{
    method: 'GET',
    path: '/v1/connections',
    access: 'bearer',
    async handle ({ query }) {
      const userId = query.get('user_id')
      if (userId === null || userId === '') return refusalAnswer('bad_request', 'user_id is needed')
      try {
        return { status: 200, body: { connections: await listConnections(userId) } }
      } catch {
        return UNAVAILABLE
      }
    }
  }, {
    method: 'DELETE',
    path: '/v1/users/:id/connections',
    access: 'bearer',
    async handle ({ params }) { return await ordered(orders.disconnect(params.get('id') ?? '')) }
  }, {
    method: 'POST',
    path: '/v1/recheck',
    access: 'bearer',
    async handle ({ query }) {
      const userId = query.get('user_id')
      if (userId !== null && (userId === '' || userId.length > MAX_USER_ID_LENGTH)) return BAD_USER_ID
      return await ordered(orders.recheck(userId))
    }
  }]
}

function publishRoute (config: Config, { publish }: Operations): AdminRoute {
  const authenticate = createAuthenticator({ secret: config.admin.publishKey })
  return {
    method: 'POST',
    path: '/v1/publish',
    access: 'open',
    async handle (request) {
      let failed: AdminAnswer | null = null
      const key = request.headers['x-publish-key']
      const { status, body, retryAfterS } = await answerPublish(authenticate, publish, typeof key === 'string' ? key : null, request.peer, async () => {
        const reading = await request.readJson(MAX_PUBLISH_BYTES)
        if (reading.ok) return reading.value
        failed = reading.answer
        return null
      })
      return failed ?? { status, body, ...(retryAfterS === undefined ? {} : { headers: { 'Retry-After': String(retryAfterS) } }) }
    }
  }
}

/** Puts the admin port together: health, readiness, metrics, and with `ADMIN_TOKEN` the orders of operators. */
export function composeAdmin (config: Config, operations: Operations, onFault: OnFault): AdminPart {
  let server: AdminServer | null = null
  const routes = [
    ...userRoutes(operations),
    revocationRoute('POST', config, operations),
    revocationRoute('DELETE', config, operations),
    ...banRoutes(operations),
    publishRoute(config, operations)
  ]
  return {
    async listen () {
      if (config.admin.port === 0) return null
      const { host, port } = config.admin
      server = await createAdminServer({
        host,
        port,
        authenticate: createAuthenticator({ secret: config.admin.token }),
        readiness: operations.readiness,
        renderMetrics: operations.renderMetrics,
        routes,
        onFault
      }).catch((error: unknown) => {
        throw new CannotStart(`cannot listen on ${host}:${port} for the admin port: ${(error as NodeJS.ErrnoException).code ?? 'unknown reason'}`)
      })
      return server.port
    },
    async close () { await server?.close() }
  }
}
