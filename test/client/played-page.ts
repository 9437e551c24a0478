import WebSocket from 'ws'
import type { ClientOptions } from '../../packages/client/src/client-options.js'
import type { Client } from '../../packages/client/src/client.js'
import { connect } from '../../packages/client/src/connect.js'
import type { PositionStorage } from '../../packages/client/src/position-storage.js'
import type { Application, Heard } from './application.js'
import type { CaseOptions } from './case-files.js'
import { createMovedClock } from './moved-clock.js'
import { reasonOf } from './observed-client.js'

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

/** An application of this repository's client, one page after the other. */
export function createPages (): Application {
  const values = new Map<string, string>()
  const clock = createMovedClock()
  const heard: Heard[] = []
  const ends: Array<Promise<string>> = []
  let user: string | null = 'alice'
  let client: Client | null = null
  let leave = (): void => {}

  function open (url: string, options: CaseOptions): void {
    let isGone = false
    const hear = (one: Heard): void => { if (!isGone) heard.push(one) }
    const page = client = connect({
      url,
      token: () => tokenOf(user),
      WebSocket,
      clock,
      ...toFilters(options),
      ...storageOf(options.storage, values, () => isGone)
    })
    page.on('state', (state) => { if (state.status === 'open') hear({ open: state.userId }) })
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
      if (client === null || (name !== 'subscribe' && name !== 'unsubscribe')) throw new Error(`no such call: ${name}`)
      ends.push(reasonOf(client[name](toFilters(given))))
    },
    signIn (next) { user = next },
    store (text) { for (const name of values.keys()) values.set(name, text) },
    pass (ms) { clock.pass(ms) },
    settle () {}
  }
}
