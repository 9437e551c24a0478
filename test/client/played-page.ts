import WebSocket from 'ws'
import type { ClientOptions } from '../../packages/client/src/client-options.js'
import type { Client } from '../../packages/client/src/client.js'
import type { ClientState } from '../../packages/client/src/client-state.js'
import { connect } from '../../packages/client/src/connect.js'
import type { PositionStorage } from '../../packages/client/src/position-storage.js'
import type { Application, Heard } from './application.js'
import type { CallArguments, CaseOptions } from './case-files.js'
import { createMovedClock } from './moved-clock.js'
import { reasonOf } from './observed-client.js'
import { tokenOf } from './token-of.js'

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

/** A state as a case names it. */
function toHeard (state: ClientState): Heard | null {
  if (state.status === 'open') return { open: state.userId }
  if (state.status === 'connecting') return null
  const { name, code } = state.because
  return { [state.status]: { because: name, code, ...(state.status === 'waiting' ? { retry_in_ms: state.retryInMs } : {}) } }
}

/** Calls the client as a case says. */
async function call (client: Client, name: string, { to, data, id, ...filters }: CallArguments): Promise<unknown> {
  if (name === 'send') return await client.send(to as 'agent:a1', data, id === undefined ? {} : { id })
  if (name !== 'subscribe' && name !== 'unsubscribe') throw new Error(`no such call: ${name}`)
  return await client[name](toFilters(filters))
}

/** An application of this repository's client, one page after the other. */
export function createPages (): Application {
  const values = new Map<string, string>()
  const clock = createMovedClock()
  const heard: Heard[] = []
  const ends: Array<Promise<string>> = []
  let token: () => string | null = () => tokenOf('alice')
  let client: Client | null = null
  let leave = (): void => {}

  function open (url: string, options: CaseOptions): void {
    let isGone = false
    const hear = (one: Heard): void => { if (!isGone) heard.push(one) }
    const page = client = connect({
      url,
      token: () => token(),
      WebSocket,
      clock,
      ...toFilters(options),
      ...storageOf(options.storage, values, () => isGone)
    })
    page.on('state', (state) => {
      const one = toHeard(state)
      if (one !== null && (options.states === true || 'open' in one)) hear(one)
    })
    page.on('event', (event) => { hear({ event }) })
    page.on('recovered', ({ topics }) => { hear({ recovered: topics }) })
    page.on('gap', ({ topics }) => { hear({ gap: topics }) })
    page.on('denied', (denied) => { hear({ denied }) })
    leave = () => {
      isGone = true
      page.close()
    }
  }
  return {
    heard,
    ends,
    open,
    leave () { leave() },
    call (name, given) {
      if (client !== null) ends.push(reasonOf(call(client, name, given)))
    },
    signIn (user) { token = () => tokenOf(user) },
    signOut () { token = () => null },
    close () { client?.close() },
    store (text) { for (const name of values.keys()) values.set(name, text) },
    pass (ms) { clock.pass(ms) },
    settle () {}
  }
}
