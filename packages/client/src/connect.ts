import { createCalls, type Calls } from './calls.js'
import { readOptions, type ClientOptions } from './client-options.js'
import { ownEnding } from './close-policy.js'
import { createConnectionLoop, type ClientState } from './connection-loop.js'
import { createEventTypes } from './event-types.js'
import type { GapFrame, ServerFrame } from './frames.js'
import { createListeners } from './listeners.js'
import { createPause } from './pause.js'
import { createRecovery, type Recovered } from './recovery.js'
import { createRequests } from './requests.js'
import type { Denied } from './resubscribe.js'
import { createWanted } from './wanted.js'

/**
 * What a client tells: its state, topics that it lost the right to, whether events were missed, and frames of the gateway by type.
 * `gap`: events of these topics may be missing although the connection stood.
 */
export type Signals<Events extends object = Record<string, unknown>> =
  & { [Type in ServerFrame['type']]: Extract<ServerFrame<Events>, { type: Type }> }
  & { state: ClientState, denied: Denied, recovered: Recovered, gap: GapFrame }

/** One client of a gateway: always connected as far as it can be, to all that was subscribed. */
export interface Client<Events extends object = Record<string, unknown>> extends Calls {
  readonly state: ClientState
  /** Returns what takes the listener away again. */
  on<Name extends keyof Signals<Events>> (name: Name, listener: (signal: Signals<Events>[Name]) => void): () => void
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
  // What the gateway sends is told as what its name and types say.
  const tell = (name: keyof Signals<Events>, signal: unknown): void => { listeners.tell(name, signal as Signals<Events>[typeof name]) }
  let state: ClientState = { status: 'connecting' }
  const eventTypes = createEventTypes(settings.eventTypes, USUAL_MAX_IDS)
  const recovery = createRecovery({
    ...settings,
    onRecovered: (recovered) => { tell('recovered', recovered) },
    onGap: (gap) => { tell('gap', gap) }
  })
  const over = new AbortController()
  let maxIds = USUAL_MAX_IDS
  const loop = createConnectionLoop({
    settings,
    requests,
    wanted,
    recovery,
    eventTypes,
    onState: setState,
    onFrame: (frame) => {
      if (frame.type === 'welcome') maxIds = frame.limits.filter_ids
      tell(frame.type, frame)
    },
    onDenied: (denied) => { tell('denied', denied) }
  })
  const close = (): void => { loop.end(ownEnding('closed')) }

  function setState (next: ClientState): void {
    state = next
    tell('state', next)
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
    ...createCalls({ requests, wanted, recovery, eventTypes, maxIds: () => maxIds, pause: createPause(settings.clock, over.signal) }),
    get state () { return state },
    on: listeners.on,
    close
  }
}
