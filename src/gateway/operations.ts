import { steadyNow } from '../clocks.js'
import type { Registry } from '../connection/registry.js'
import type { Session } from '../connection/session.js'
import type { Control } from '../control/control.js'
import type { PublishEvent } from '../http/routes/publish.js'
import type { Readiness } from './readiness.js'

/** One open connection as operators see it. */
export interface ListedConnection {
  readonly connection_id: string
  readonly user_id: string
  readonly issuer: string
  readonly node: string
  readonly ip: string
  readonly path: string
  readonly opened_at: string
  readonly expires_at: string
  readonly topics: number
  readonly messages_in: number
  readonly messages_out: number
}

/** What the admin port does, whether it is in the process itself or in front of several. */
export interface Operations {
  readiness (): Readiness | Promise<Readiness>
  renderMetrics (): Promise<{ readonly contentType: string, readonly body: string }>
  listConnections (userId: string): Promise<readonly ListedConnection[]>
  readonly orders: Pick<Control, 'revoke' | 'unrevoke' | 'ban' | 'unban' | 'disconnect' | 'recheck'>
  publishEvent: PublishEvent
}

function describeConnection (session: Session, node: string): ListedConnection {
  return {
    connection_id: session.connectionId,
    user_id: session.identity.userId,
    issuer: session.identity.issuer,
    node,
    ip: session.address.ip,
    path: session.path,
    opened_at: new Date(Date.now() - (steadyNow() - session.openedAtMs)).toISOString(),
    expires_at: new Date(session.identity.expiresAtMs).toISOString(),
    topics: session.topics.size,
    messages_in: session.messagesIn,
    messages_out: session.messagesOut
  }
}

/** The open connections of a user in this process. */
export function listLocalConnections (registry: Registry, node: string, userId: string): ListedConnection[] {
  return [...registry.all()].filter(session => session.identity.userId === userId).map(session => describeConnection(session, node))
}
