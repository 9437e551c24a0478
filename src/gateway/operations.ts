import type { Publishing } from '../bus/publishing.js'
import type { Control, OrderLists, PageRequest } from '../control/control.js'
import type { Explain } from '../explain/explanation.js'
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

/** Which open connections are asked for. */
export interface ConnectionsRequest extends PageRequest {
  /** Null: everybody's. */
  readonly userId: string | null
}

/** Some open connections of all processes, in the order of their ids. */
export interface ConnectionPage {
  readonly connections: readonly ListedConnection[]
  /** `after` for the next page; null: nothing follows. */
  readonly next: string | null
  /** Processes that did not answer in time, whose connections are not there. */
  readonly missingNodes: number
}

/** What the admin port does, whether it is in the process itself or in front of several. */
export interface Operations {
  readiness (): Readiness | Promise<Readiness>
  renderMetrics (): Promise<{ readonly contentType: string, readonly body: string }>
  /** Rejects when the other processes cannot be asked. */
  listConnections (request: ConnectionsRequest): Promise<ConnectionPage>
  /** Rejects when no process can be asked. */
  readonly explain: Explain
  readonly lists: OrderLists
  readonly orders: Pick<Control, 'revoke' | 'unrevoke' | 'ban' | 'unban' | 'disconnect' | 'recheck'>
  readonly publishing: Publishing
}
