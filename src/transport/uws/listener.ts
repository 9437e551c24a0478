import type { TemplatedApp } from 'uWebSockets.js'
import { CannotStart } from '../../cannot-start.js'
import type { Binding } from './binding.js'
import { createListenSocket, type ListenSettings } from './listen-socket.js'

/** One native app. The certificate it was made with is its own for ever, so a new one takes a new app. */
export interface UwsApp {
  readonly native: TemplatedApp
  /** Open WebSockets. */
  sockets: number
}

/** Throws when the native layer refuses the certificate. */
export type MakeApp = () => UwsApp

export interface Listener {
  /**
   * Makes the first app and listens; resolves with the port. Once. Rejects when the native layer refuses the certificate, or
   * the address cannot be had: `close` then lets go of the app.
   */
  listen (makeApp: MakeApp): Promise<number>
  /**
   * Has a newly made app take all further connections, while the sockets of the one before live on there. Rejects, and
   * changes nothing, when the app cannot be made.
   */
  replaceApp (): Promise<void>
  /** Sends a text frame to every socket that joined the topic, whichever app it is on. */
  sendToTopic (topic: string, frame: Uint8Array): void
  /**
   * Takes no further connections until `resume`; those that wait to be accepted are reset. Does nothing on a port that the system
   * chose, as it gives such a port to nobody while connections of it are open.
   */
  pause (): void
  /** Ends a pause. False: the address cannot be had, and it goes on. */
  resume (): boolean
  /** Nobody comes in, for as long as a pause takes. */
  isPaused (): boolean
  /** Takes no further connections. */
  stopListening (): void
  /** Drops what is still open. */
  close (): void
}

/** Makes the one door of this process. Nothing is made of the native layer before `listen`. */
export function createListener (uws: Binding['uws'], settings: ListenSettings): Listener {
  const { host, port } = settings
  const socket = createListenSocket(uws, settings)
  // The native layer never frees an app, so those of the past cost no more by staying in this list.
  const apps: UwsApp[] = []
  let door: { readonly makeApp: MakeApp, readonly app: UwsApp } | null = null
  /** Settles when no reload is under way: one follows the other. */
  let replacing = Promise.resolve()
  let state: 'made' | 'open' | 'shut' | 'closed' = 'made'

  function add (makeApp: MakeApp): UwsApp {
    const app = makeApp()
    apps.push(app)
    return app
  }

  async function replace (): Promise<void> {
    // Again and again: a pause may end meanwhile, which opens one more.
    while (socket.heldElsewhere !== null) await socket.heldElsewhere
    if (state === 'shut' || state === 'closed') throw new Error('no connections are taken any more')
    if (port === 0) throw new Error('PORT is 0')
    // Not open yet: the first app is made of what the files hold then.
    if (door === null) return
    const { app, makeApp } = door
    const next = add(makeApp)
    if (!pausing.isPaused() && !socket.handOver(app.native, next.native)) throw new Error('the port could not be taken over')
    door = { makeApp, app: next }
  }

  const pausing = createPausing(() => state === 'open' && port !== 0, socket.close, () => door !== null && socket.open(door.app.native))

  function stopListening (): void {
    if (state !== 'closed') state = 'shut'
    socket.close()
  }

  return {
    listen: async (makeApp) => {
      const app = add(makeApp)
      door = { makeApp, app }
      const isOpen = socket.open(app.native)
      state = 'open'
      if (!isOpen) throw new CannotStart(`cannot listen on ${host}:${port}: the address is taken or not ours`)
      return socket.port()
    },
    replaceApp () {
      const replaced = replacing.then(replace)
      replacing = replaced.catch(() => {})
      return replaced
    },
    pause: pausing.pause,
    resume: pausing.resume,
    isPaused: pausing.isPaused,
    sendToTopic (topic, frame) {
      for (const app of apps) if (app.sockets > 0) app.native.publish(topic, frame)
    },
    stopListening,
    close () {
      // Closing an app before its listen socket crashes the native layer.
      stopListening()
      if (state !== 'closed') for (const { native } of apps) native.close()
      state = 'closed'
    }
  }
}

/** Shuts the door for a while, and opens it again. `reopen`: false when the address cannot be had. */
function createPausing (isOpen: () => boolean, shut: () => void, reopen: () => boolean) {
  let isPaused = false
  return {
    isPaused: () => isPaused,
    pause (): void {
      if (!isOpen()) return
      isPaused = true
      shut()
    },
    resume (): boolean {
      if (isOpen() && isPaused) isPaused = !reopen()
      return !isPaused
    }
  }
}
