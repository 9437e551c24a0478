import type { TemplatedApp, us_listen_socket } from 'uWebSockets.js'
import { CannotStart } from '../../cannot-start.js'
import type { Binding } from './binding.js'
import { findNextDescriptor, type BacklogCall, type SetBacklog } from './backlog.js'

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

export interface ListenerSettings {
  readonly host: string
  /** 0 takes a free one, on which no app can be replaced: the system refuses to share such a port. */
  readonly port: number
  readonly exclusivePort: boolean
  /** Called for each socket that listens. Null: the native layer's own backlog is the right one. */
  readonly setBacklog: SetBacklog | null
}

/** The types lack the form with a host and options at once. */
type Listen = (host: string, port: number, options: number, done: (socket: us_listen_socket | false) => void) => void

/** Makes the one door of this process. Nothing is made of the native layer before `listen`. */
export function createListener (uws: Binding['uws'], settings: ListenerSettings): Listener {
  const { host, port, exclusivePort } = settings
  // The native layer never frees an app, so those of the past cost no more by staying in this list.
  const apps: UwsApp[] = []
  let door: { readonly makeApp: MakeApp, readonly app: UwsApp } | null = null
  let listening: us_listen_socket | null = null
  /** While it is under way another process holds the socket too, and with it the port. */
  let setting: BacklogCall | null = null
  /** Settles when no reload is under way: one follows the other. */
  let replacing = Promise.resolve()
  let state: 'made' | 'open' | 'shut' | 'closed' = 'made'

  function add (makeApp: MakeApp): UwsApp {
    const app = makeApp()
    apps.push(app)
    return app
  }
  function open ({ native }: UwsApp): us_listen_socket | null {
    const descriptor = findNextDescriptor()
    const opened = openSocket(uws, native, settings)
    if (opened !== null) setting = settings.setBacklog?.(descriptor, portOf(uws, opened)) ?? null
    return opened
  }

  function shut (): void {
    setting?.stop()
    closeSocket()
  }

  function closeSocket (): void {
    if (listening !== null) uws.us_listen_socket_close(listening)
    listening = null
  }

  /** Between the two nobody listens on an exclusive port, but no other program runs in this thread meanwhile. */
  function handOver (current: UwsApp, next: UwsApp): UwsApp {
    if (pausing.isPaused()) return next
    if (exclusivePort) shut()
    const opened = open(next)
    if (opened !== null) closeSocket()
    listening = opened ?? listening ?? open(current)
    if (opened === null) throw new Error('the port could not be taken over')
    return next
  }

  async function replace (): Promise<void> {
    // A pause may end meanwhile, which opens one more. Nothing else runs between the last look and what follows.
    for (let waitedFor: BacklogCall | null = null; waitedFor !== setting; await waitedFor?.ended) waitedFor = setting
    if (state === 'shut' || state === 'closed') throw new Error('no connections are taken any more')
    if (port === 0) throw new Error('PORT is 0')
    // Not open yet: the first app is made of what the files hold then.
    if (door === null) return
    door = { ...door, app: handOver(door.app, add(door.makeApp)) }
  }

  const pausing = createPausing(() => state === 'open' && port !== 0, shut, () => door === null ? null : (listening = open(door.app)))

  function stopListening (): void {
    if (state !== 'closed') state = 'shut'
    shut()
  }

  return {
    listen: async (makeApp) => {
      const app = add(makeApp)
      door = { makeApp, app }
      listening = open(app)
      state = 'open'
      if (listening === null) throw new CannotStart(`cannot listen on ${host}:${port}: the address is taken or not ours`)
      return portOf(uws, listening)
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

/** Shuts the door for a while, and opens it again. `reopen`: null when the address cannot be had. */
function createPausing (isOpen: () => boolean, shut: () => void, reopen: () => us_listen_socket | null) {
  let isPaused = false
  return {
    isPaused: () => isPaused,
    pause (): void {
      if (!isOpen()) return
      isPaused = true
      shut()
    },
    resume (): boolean {
      if (isOpen() && isPaused) isPaused = reopen() === null
      return !isPaused
    }
  }
}

/** Null when the address cannot be had. The native layer calls back before it returns. */
function openSocket (uws: Binding['uws'], native: TemplatedApp, { host, port, exclusivePort }: ListenerSettings): us_listen_socket | null {
  const options = exclusivePort ? uws.ListenOptions?.LIBUS_LISTEN_EXCLUSIVE_PORT ?? exclusiveOption(uws) : 0
  const listen = native.listen.bind(native) as unknown as Listen
  let opened: us_listen_socket | null = null
  listen(host, port, options, (socket) => { if (socket !== false) opened = socket })
  return opened
}

function portOf (uws: Binding['uws'], socket: us_listen_socket): number {
  return uws.us_socket_local_port(socket as unknown as Parameters<typeof uws.us_socket_local_port>[0])
}

/** Both bindings export the option as a plain constant; the types show it as an enum. */
function exclusiveOption (uws: Binding['uws']): number {
  return (uws as unknown as { LIBUS_LISTEN_EXCLUSIVE_PORT: number }).LIBUS_LISTEN_EXCLUSIVE_PORT
}
