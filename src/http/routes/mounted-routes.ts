import type { Control } from '../../control/control.js'
import type { Route } from '../route.js'
import { createSecret, type OnWrongSecret } from '../secrets.js'
import { createBanRoutes } from './bans.js'
import { createConnectionRoutes, type ConnectionRoutesDeps } from './connections.js'
import { createExplainRoutes, type ExplainRoutesDeps } from './explain.js'
import { createHealthRoutes, type HealthRoutesDeps } from './health.js'
import { createMetricsRoutes, type MetricsRoutesDeps } from './metrics.js'
import { createOrderListRoutes, type OrderListRoutesDeps } from './order-lists.js'
import type { OnAdminAction } from './orders.js'
import { createPublishRoutes, type PublishRoutesDeps } from './publish.js'
import { createRecheckUsersRoute } from './recheck-users.js'
import { createRecheckRoutes } from './recheck.js'
import { createRevocationRoutes, type RevocationRoutesDeps } from './revocations.js'

interface BackEndRoutesDeps extends Pick<PublishRoutesDeps, 'publishing' | 'tracer' | 'tracesEvents'> {
  /** The values of `PUBLISH_KEY`; none: unset. */
  readonly publishKeys: readonly string[]
  readonly onWrongSecret: OnWrongSecret
}

export interface MainRoutesDeps extends BackEndRoutesDeps {
  readonly orders: Pick<Control, 'recheck'>
}

export interface AdminRoutesDeps extends BackEndRoutesDeps, HealthRoutesDeps, MetricsRoutesDeps,
  Pick<ConnectionRoutesDeps, 'listConnections'>, Pick<OrderListRoutesDeps, 'lists'>, Pick<RevocationRoutesDeps, 'issuers' | 'maxTokenLifetimeMs'>,
  Pick<ExplainRoutesDeps, 'explain'> {
  /** The values of `ADMIN_TOKEN`; none: unset. */
  readonly adminTokens: readonly string[]
  readonly onAction: OnAdminAction
  readonly orders: Pick<Control, 'revoke' | 'unrevoke' | 'ban' | 'unban' | 'disconnect' | 'recheck'>
}

/**
 * Every route of the main port but those of dev mode. One whose secret is unset is left out, so that its path is answered,
 * counted and logged there as any other that does not exist.
 */
export function createMainRoutes (deps: MainRoutesDeps): Route[] {
  const { publishKeys, orders, onWrongSecret } = deps
  if (publishKeys.length === 0) return []
  const secret = createSecret('publish', publishKeys, onWrongSecret)
  return [...createPublishRoutes({ ...deps, secret }), createRecheckUsersRoute({ orders, secret })]
}

/** Every route of the admin port. */
export function createAdminRoutes (deps: AdminRoutesDeps): Route[] {
  const forOperators = { ...deps, secret: createSecret('admin', deps.adminTokens, deps.onWrongSecret) }
  return [
    ...createHealthRoutes(deps),
    ...createMetricsRoutes(deps),
    ...createConnectionRoutes(forOperators),
    ...createRevocationRoutes(forOperators),
    ...createBanRoutes(forOperators),
    ...createOrderListRoutes(forOperators),
    ...createRecheckRoutes(forOperators),
    ...createExplainRoutes(forOperators),
    ...createPublishRoutes({ ...deps, secret: createSecret('publish', deps.publishKeys, deps.onWrongSecret) })
  ]
}
