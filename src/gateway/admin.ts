import { isLoopbackHost } from '../address/loopback-host.js'
import { CannotStart } from '../cannot-start.js'
import type { Config } from '../config/config.js'
import type { OperatorAudit } from '../observe/operator-audit.js'
import type { Tracer } from '../observe/tracing/tracer.js'
import { createNodeHost, type NodeHost } from '../http/node-host.js'
import { createAdminRoutes } from '../http/routes/mounted-routes.js'
import { longestLifetimeMs } from '../tokens/claim-rules.js'
import type { Operations } from './operations.js'
import type { OnFault } from './report.js'

export interface AdminPart {
  /** Resolves with the port; null when the admin port is off. */
  listen (): Promise<number | null>
  close (): Promise<void>
}

export interface AdminDeps {
  readonly config: Config
  readonly operations: Operations
  readonly operatorAudit: OperatorAudit
  /** Null: nobody wants spans. */
  readonly tracer: Tracer | null
  readonly onFault: OnFault
}

/** Puts the admin port together: health, readiness, metrics, and with `ADMIN_TOKEN` the orders of operators. */
export function composeAdmin ({ config, operations, operatorAudit, tracer, onFault }: AdminDeps): AdminPart {
  const { admin, tokens, upgrade, tracing } = config
  let server: NodeHost | null = null
  const routes = createAdminRoutes({
    ...operations,
    tracer,
    tracesEvents: tracing.showsInEvents,
    adminTokens: admin.tokens,
    publishKeys: admin.publishKeys,
    onAction: operatorAudit.adminAction,
    onWrongSecret: (kind, { key }) => { operatorAudit.wrongSecret(kind, key) },
    issuers: tokens.issuers.map(({ name }) => name),
    maxTokenLifetimeMs: longestLifetimeMs(tokens)
  })
  return {
    async listen () {
      if (admin.port === 0) return null
      const { host, port } = admin
      const hostCheck = upgrade.loopbackHostOnly === true ? { acceptsHost: isLoopbackHost } : {}
      server = await createNodeHost({ host, port, routes, onFault, ...hostCheck }).catch((error: unknown) => {
        throw new CannotStart(`cannot listen on ${host}:${port} for the admin port: ${(error as NodeJS.ErrnoException).code ?? 'unknown reason'}`)
      })
      return server.port
    },
    async close () { await server?.close() }
  }
}
