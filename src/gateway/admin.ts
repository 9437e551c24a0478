import { CannotStart } from '../cannot-start.js'
import type { Config } from '../config/config.js'
import { createNodeHost, type NodeHost } from '../http/node-host.js'
import { createAdminRoutes } from '../http/routes/mounted-routes.js'
import type { Operations } from './operations.js'
import type { OnFault } from './report.js'

export interface AdminPart {
  /** Resolves with the port; null when the admin port is off. */
  listen (): Promise<number | null>
  close (): Promise<void>
}

/** Puts the admin port together: health, readiness, metrics, and with `ADMIN_TOKEN` the orders of operators. */
export function composeAdmin ({ admin, tokens }: Config, operations: Operations, onFault: OnFault): AdminPart {
  let server: NodeHost | null = null
  const routes = createAdminRoutes({
    ...operations,
    adminToken: admin.token,
    publishKey: admin.publishKey,
    issuers: tokens.issuers.map(({ name }) => name),
    maxTokenLifetimeMs: tokens.maxLifetimeMs
  })
  return {
    async listen () {
      if (admin.port === 0) return null
      const { host, port } = admin
      server = await createNodeHost({ host, port, routes, onFault }).catch((error: unknown) => {
        throw new CannotStart(`cannot listen on ${host}:${port} for the admin port: ${(error as NodeJS.ErrnoException).code ?? 'unknown reason'}`)
      })
      return server.port
    },
    async close () { await server?.close() }
  }
}
