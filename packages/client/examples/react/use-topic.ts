import { useCallback, useEffect, useReducer, useRef, useSyncExternalStore } from 'react'
import type { Client, ClientState, EventFrame } from '@portcullis/client'

/** What a component listens to. */
export type Topic = `agent:${string}` | `task:${string}`

/** How many components listen to each topic: the last one to go leaves it. */
const users = new WeakMap<Client, Map<Topic, number>>()

const toFilters = (topic: Topic): { agents: string[] } | { tasks: string[] } => {
  const id = topic.slice(topic.indexOf(':') + 1)
  return topic.startsWith('agent:') ? { agents: [id] } : { tasks: [id] }
}

/** Subscribes for one component; what it returns leaves the topic again. Resolves once every later event will arrive. */
function share (client: Client, topic: Topic): { readonly subscribed: Promise<unknown>, readonly leave: () => void } {
  const counts = users.get(client) ?? new Map<Topic, number>()
  users.set(client, counts)
  counts.set(topic, (counts.get(topic) ?? 0) + 1)
  return {
    subscribed: client.subscribe(toFilters(topic)),
    leave () {
      const others = (counts.get(topic) ?? 1) - 1
      counts.set(topic, others)
      if (others === 0) client.unsubscribe(toFilters(topic)).catch(() => {})
    }
  }
}

/** Where the client is: `connecting`, `open`, `waiting` or `closed`, and why. */
export function useClientState (client: Client): ClientState {
  const subscribe = useCallback((changed: () => void) => client.on('state', changed), [client])
  return useSyncExternalStore(subscribe, () => client.state)
}

/** What is known of a topic. `state` is undefined until it was loaded; `error` is what kept it from that. */
export interface TopicView<State> {
  readonly state: State | undefined
  readonly error: unknown
}

interface TopicOptions<State> {
  /** Fetches the state of the topic: first, and whenever events of it may be missing. */
  readonly load: (topic: Topic) => Promise<State>
  /** The state after an event. What was loaded may hold the event already: then it is the same. */
  readonly apply: (state: State, event: EventFrame) => State
}

/** What happened to it. */
type Change<State> = 'left' | 'loads' | { readonly loaded: State } | { readonly event: EventFrame } | { readonly failed: unknown }
/** `early`: events that came while the state is being loaded wait for it; null: it is loaded. */
interface Held<State> extends TopicView<State> { readonly early: readonly EventFrame[] | null }

const NOTHING = { state: undefined, error: undefined, early: [] }

/**
 * The state of a topic in a component: loaded once it is subscribed, moved by each event, loaded anew only where the client says that
 * events may be missing. Any number of components may use the same topic.
 */
export function useTopic<State> (client: Client, topic: Topic, options: TopicOptions<State>): TopicView<State> {
  const latest = useRef(options)
  useEffect(() => { latest.current = options })

  const [held, change] = useReducer((now: Held<State>, next: Change<State>): Held<State> => {
    const { apply } = latest.current
    if (next === 'left') return NOTHING
    if (next === 'loads') return { ...now, early: [] }
    if ('failed' in next) return { ...now, error: next.failed }
    if ('loaded' in next) return { state: (now.early ?? []).reduce(apply, next.loaded), error: undefined, early: null }
    if (now.early !== null || now.state === undefined) return { ...now, early: [...now.early ?? [], next.event] }
    return { ...now, state: apply(now.state, next.event) }
  }, NOTHING)

  useEffect(() => {
    // The answer that is waited for: a later question makes those before it worth nothing.
    let [asked, isGone] = [0, false]
    const load = async (): Promise<void> => {
      if (isGone) return
      const mine = ++asked
      change('loads')
      const next = await latest.current.load(topic).then(loaded => ({ loaded }), (failed: unknown) => ({ failed }))
      if (!isGone && mine === asked) change(next)
    }
    const { subscribed, leave } = share(client, topic)
    const offs = [
      client.on('event', (event) => { if (event.topic === topic) change({ event }) }),
      client.on('recovered', ({ topics }) => { if (topics[topic] === false) void load() }),
      client.on('gap', ({ topics }) => { if (topic in topics) void load() })
    ]
    subscribed.then(load, (failed: unknown) => { if (!isGone) change({ failed }) })
    return () => {
      isGone = true
      for (const off of offs) off()
      leave()
      change('left')
    }
  }, [client, topic])

  return held
}
