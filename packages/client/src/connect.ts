import { createCalls } from './calls.js'
import type { Client } from './client.js'
import { readOptions, type ClientOptions } from './client-options.js'
import type { ClientState } from './client-state.js'
import { ownEnding } from './close-policy.js'
import { createConnectionLoop } from './connection-loop.js'
import { createEventTypes } from './event-types.js'
import { createListeners } from './listeners.js'
import { createPause } from './pause.js'
import { createRecovery } from './recovery.js'
import { createRequests } from './requests.js'
import type { Signals } from './signals.js'
import { createWanted } from './wanted.js'

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
