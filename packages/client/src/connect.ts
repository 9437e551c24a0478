import { readOptions, type ClientOptions } from './client-options.js'
import { ownEnding } from './close-policy.js'
import { createConnectionLoop, type ClientState } from './connection-loop.js'
import type { Ids, ServerFrame, SubscribedFrame, UnsubscribedFrame } from './frames.js'
import { createEventTypes } from './event-types.js'
import { createListeners } from './listeners.js'
import { RequestError } from './request-error.js'
import { createRequests } from './requests.js'
import type { Denied } from './resubscribe.js'
import { subscribeAll } from './subscribe-all.js'
import { checkLists, checkMessage, toFilterLists, toTopics, type Filters } from './topics.js'
import { createWanted } from './wanted.js'

/** What a client tells: its state, topics that it lost the right to, and every frame of the gateway by its type. */
export type Signals<Events extends object = Record<string, unknown>> =
  & { [Type in ServerFrame['type']]: Extract<ServerFrame<Events>, { type: Type }> }
  & { state: ClientState, denied: Denied }

/** One client of a gateway: always connected as far as it can be, to all that was subscribed. */
export interface Client<Events extends object = Record<string, unknown>> {
  readonly state: ClientState
  /** Returns what takes the listener away again. */
  on<Name extends keyof Signals<Events>> (name: Name, listener: (signal: Signals<Events>[Name]) => void): () => void
  /** Resolves once every later event will arrive, on this connection and all after it. `eventTypes` counts for all topics. */
  subscribe (filters: Filters & { readonly eventTypes?: Ids }): Promise<SubscribedFrame>
  unsubscribe (filters: Filters): Promise<UnsubscribedFrame>
  /**
   * Resolves once the gateway has stored the message for the back end. Never repeated by itself. To repeat one whose end is not
   * known give both the same `id`, which no other message of this user ever had: 1 to 64 characters.
   */
  send (to: `agent:${string}` | `task:${string}`, data: unknown, options?: { readonly id?: string }): Promise<void>
  /** Final. What waits for an answer is rejected. */
  close (): void
}

/** What a list may hold in a gateway that is set up as usual; `welcome` tells what it is. */
const USUAL_MAX_IDS = 50

/**
 * Connects, and stays connected until `close`, the signal, or a close of the gateway that forbids to come back. All three requests reject
 * with a `RequestError`. Throws at once on options that cannot work.
 */
export function connect<Events extends object = Record<string, unknown>> (options: ClientOptions): Client<Events> {
  const settings = readOptions(options)
  const requests = createRequests(settings)
  const wanted = createWanted(settings.filters)
  const listeners = createListeners<Signals<Events>>()
  let state: ClientState = { status: 'connecting' }
  const eventTypes = createEventTypes(settings.eventTypes, USUAL_MAX_IDS)
  const over = new AbortController()
  let maxIds = USUAL_MAX_IDS
  const loop = createConnectionLoop({
    settings,
    requests,
    wanted,
    eventTypes,
    onState: setState,
    onFrame: (frame) => {
      if (frame.type === 'welcome') maxIds = frame.limits.filter_ids
      // The frame is told to those who listen to its type.
      listeners.tell(frame.type, frame as Signals<Events>[typeof frame.type])
    },
    onDenied: (denied) => { listeners.tell('denied', denied as Signals<Events>['denied']) }
  })
  const close = (): void => { loop.end(ownEnding('closed')) }

  function setState (next: ClientState): void {
    state = next
    listeners.tell('state', next as Signals<Events>['state'])
    if (next.status !== 'closed') return
    over.abort()
    options.signal?.removeEventListener('abort', close)
  }
  // Not before the caller could add its listeners.
  queueMicrotask(() => {
    if (options.signal?.aborted === true) close()
    else if (state.status !== 'closed') loop.start()
  })
  options.signal?.addEventListener('abort', close)

  return {
    get state () { return state },
    on: listeners.on,
    async subscribe ({ eventTypes: narrowed, ...filters }) {
      checkLists({ ...filters, eventTypes: narrowed })
      const topics = toTopics(filters)
      if (topics.length === 0 && narrowed === undefined) throw new RequestError('bad_request', 'nothing to subscribe to')
      const answer = await subscribeAll({
        ...{ topics, wanted, eventTypes: narrowed },
        maxIds: () => maxIds,
        ask: async frame => await requests.ask(frame, 'repeatable') as SubscribedFrame | UnsubscribedFrame,
        ended: over.signal
      })
      if (narrowed !== undefined) eventTypes.confirm(narrowed)
      return answer
    },
    async unsubscribe (filters) {
      checkLists({ ...filters })
      wanted.remove(filters)
      const answer = await requests.ask({ type: 'unsubscribe', ...toFilterLists(toTopics(filters)) }, 'repeatable') as UnsubscribedFrame
      // A subscribe that was asked for earlier has been confirmed meanwhile.
      wanted.remove(filters)
      return answer
    },
    async send (to, data, { id } = {}) {
      checkMessage(to, data, id)
      await requests.ask({ type: 'send', to, data }, 'once', id)
    },
    close
  }
}
