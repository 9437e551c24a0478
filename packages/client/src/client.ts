import type { ClientState } from './client-state.js'
import type { Ids, SubscribedFrame, UnsubscribedFrame } from './frames.js'
import type { Signals } from './signals.js'
import type { Filters } from './topics.js'

/** What an application asks for. All reject with a `RequestError`. */
export interface Calls {
  /**
   * Resolves once every later event will arrive, on this connection and all after it. `eventTypes` counts for all topics. `last`: how many
   * of the newest events are told of each topic that was not listened to before, as far as they are kept.
   */
  subscribe (filters: Filters & { readonly eventTypes?: Ids, readonly last?: number }): Promise<SubscribedFrame>
  unsubscribe (filters: Filters): Promise<UnsubscribedFrame>
  /**
   * Resolves once the gateway has stored the message for the back end. Never repeated by itself. To repeat one whose end is not
   * known give both the same `id`, which no other message of this user ever had: 1 to 64 characters.
   */
  send (to: `agent:${string}` | `task:${string}`, data: unknown, options?: { readonly id?: string }): Promise<void>
}

/** One client of a gateway: always connected as far as it can be, to all that was subscribed. */
export interface Client<Events extends object = Record<string, unknown>> extends Calls {
  readonly state: ClientState
  /** Returns what takes the listener away again. */
  on<Name extends keyof Signals<Events>> (name: Name, listener: (signal: Signals<Events>[Name]) => void): () => void
  /** Final. What waits for an answer is rejected. */
  close (): void
}
