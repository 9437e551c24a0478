import type { Control } from '../../control/control.js'
import type { Route } from '../route.js'
import { createSecret } from '../secrets.js'
import { createBanRoutes } from './bans.js'
import { createConnectionRoutes, type ConnectionRoutesDeps } from './connections.js'
import { createHealthRoutes, type HealthRoutesDeps } from './health.js'
import { createMetricsRoutes, type MetricsRoutesDeps } from './metrics.js'
import { createPublishRoutes, type PublishEvent } from './publish.js'
import { createRecheckRoutes } from './recheck.js'
import { createRevocationRoutes, type RevocationRoutesDeps } from './revocations.js'

export interface MainRoutesDeps {
  /** `PUBLISH_KEY`; null: unset. */
  readonly publishKey: string | null
  readonly publishEvent: PublishEvent
}

export interface AdminRoutesDeps extends MainRoutesDeps, HealthRoutesDeps, MetricsRoutesDeps,
  Pick<ConnectionRoutesDeps, 'listConnections'>, Pick<RevocationRoutesDeps, 'issuers' | 'maxTokenLifetimeMs'> {
  /** `ADMIN_TOKEN`; null: unset. */
  readonly adminToken: string | null
  readonly orders: Pick<Control, 'revoke' | 'unrevoke' | 'ban' | 'unban' | 'disconnect' | 'recheck'>
}

/**
 * Every route of the main port but those of dev mode. One whose secret is unset is left out, so that its path is answered,
 * counted and logged there as any other that does not exist.
 */
export function createMainRoutes ({ publishKey, publishEvent }: MainRoutesDeps): Route[] {
  return publishKey === null ? [] : createPublishRoutes({ publishEvent, secret: createSecret('publish', publishKey) })
}

/** Every route of the admin port. */
export function createAdminRoutes (deps: AdminRoutesDeps): Route[] {
  const forOperators = { ...deps, secret: createSecret('admin', deps.adminToken) }
  return [
    ...createHealthRoutes(deps),
    ...createMetricsRoutes(deps),
    ...createConnectionRoutes(forOperators),
    ...createRevocationRoutes(forOperators),
    ...createBanRoutes(forOperators),
    ...createRecheckRoutes(forOperators),
    ...createPublishRoutes({ publishEvent: deps.publishEvent, secret: createSecret('publish', deps.publishKey) })
  ]
}
