import WebSocket from 'ws'
import type { ClientOptions } from '../../packages/client/src/client-options.js'
import { connect, type Client } from '../../packages/client/src/connect.js'
import type { PositionStorage } from '../../packages/client/src/position-storage.js'
import type { CaseOptions } from './case-files.js'
import type { MovedClock } from './moved-clock.js'
import { reasonOf } from './observed-client.js'

/** What the application was told: one member, by its kind. */
export type Heard = Readonly<Record<string, unknown>>

/** One page with a client. */
export interface Page {
  readonly client: Client
  readonly heard: Heard[]
  /** How calls ended, in the order in which they were made: `''` for success, else the reason. */
  readonly ends: Array<Promise<string>>
  call (name: string, options: CaseOptions): void
  /** The page is gone: it tells nothing, and stores nothing, any more. */
  leave (): void
}

/** A token as any issuer makes it; nobody verifies it here. */
export function tokenOf (user: string | null): string {
  const claims = { iss: 'https://issuer.example', ...(user === null ? {} : { sub: user }) }
  return `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.c2ln`
}

const THROWS: PositionStorage = {
  getItem () { throw new Error('no storage here') },
  setItem () { throw new Error('no storage here') },
  removeItem () { throw new Error('no storage here') }
}

/** `values`: what storage holds, over pages. */
function storageOf (kind: CaseOptions['storage'], values: Map<string, string>, isGone: () => boolean): Pick<ClientOptions, 'storage'> {
  if (kind === 'throws') return { storage: THROWS }
  if (kind !== 'kept') return {}
  return {
    storage: {
      getItem: key => values.get(key) ?? null,
      setItem (key, value) { if (!isGone()) values.set(key, value) },
      removeItem (key) { if (!isGone()) values.delete(key) }
    }
  }
}

/** The options by the names that this client has for them. */
const toFilters = ({ agents, tasks, event_types: eventTypes, last }: CaseOptions): Pick<ClientOptions, 'agents' | 'tasks' | 'eventTypes' | 'last'> => ({
  ...(agents === undefined ? {} : { agents }),
  ...(tasks === undefined ? {} : { tasks }),
  ...(eventTypes === undefined ? {} : { eventTypes }),
  ...(last === undefined ? {} : { last })
})

export interface PageOptions {
  readonly url: string
  readonly options: CaseOptions
  readonly user: () => string | null
  readonly values: Map<string, string>
  readonly clock: MovedClock
}

export function openPage ({ url, options, user, values, clock }: PageOptions): Page {
  let isGone = false
  const heard: Heard[] = []
  const ends: Array<Promise<string>> = []
  const client = connect({
    url,
    token: () => tokenOf(user()),
    WebSocket,
    clock,
    ...toFilters(options),
    ...storageOf(options.storage, values, () => isGone)
  })
  const hear = (one: Heard): void => { if (!isGone) heard.push(one) }
  client.on('state', (state) => { if (state.status === 'open') hear({ open: state.userId }) })
  client.on('event', (event) => { hear({ event }) })
  client.on('recovered', ({ topics }) => { hear({ recovered: topics }) })
  client.on('gap', ({ topics }) => { hear({ gap: topics }) })
  client.on('denied', (denied) => { hear({ denied }) })
  return {
    client,
    heard,
    ends,
    call (name, given) {
      const filters = toFilters(given)
      if (name !== 'subscribe' && name !== 'unsubscribe') throw new Error(`no such call: ${name}`)
      ends.push(reasonOf(name === 'subscribe' ? client.subscribe(filters) : client.unsubscribe(filters)))
    },
    leave () {
      isGone = true
      client.close()
    }
  }
}
