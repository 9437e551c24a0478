import WebSocket from 'ws'
import type { ClientOptions } from '../../packages/client/src/client-options.js'
import type { Client } from '../../packages/client/src/client.js'
import { connect } from '../../packages/client/src/connect.js'
import type { ClientState } from '../../packages/client/src/client-state.js'
import type { EventFrame } from '../../packages/client/src/frames.js'
import { RequestError } from '../../packages/client/src/request-error.js'
import type { Lifetime } from '../support/gateway.js'
import { until } from '../support/until.js'

/** A client under test with all that it told. */
export interface ObservedClient {
  readonly client: Client
  readonly states: readonly ClientState[]
  readonly events: readonly EventFrame[]
  /** Waits until the client is in this state for the nth time. */
  reached (status: ClientState['status'], times?: number): Promise<void>
}

/** Short waits, so that a test of many attempts is quick. */
export const QUICK = { backoff: { baseMs: 20, capMs: 100 }, timeoutMs: 30_000 }

/** Connects from a loopback address of its own, as the limits count addresses. */
export function observe (t: Lifetime, options: Partial<ClientOptions> & Pick<ClientOptions, 'url' | 'token'>, from = '127.0.0.1'): ObservedClient {
  class SocketFrom extends WebSocket {
    constructor (url: string, protocols: string[]) { super(url, protocols, { localAddress: from }) }
  }
  const client = connect({ WebSocket: SocketFrom, ...QUICK, ...options })
  const states: ClientState[] = []
  const events: EventFrame[] = []
  client.on('state', (state) => { states.push(state) })
  client.on('event', (event) => { events.push(event) })
  t.teardown(() => { client.close() })
  return {
    client,
    states,
    events,
    reached: async (status, times = 1) => {
      await until(`${status} ${times} times`, () => states.filter(state => state.status === status).length >= times)
    }
  }
}

/** The reason for which a request fails; `''` when it does not. */
export async function reasonOf (request: Promise<unknown>): Promise<string> {
  return await request.then(() => '', (error: unknown) => error instanceof RequestError ? error.reason : String(error))
}
