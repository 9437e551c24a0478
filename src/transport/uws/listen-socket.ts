import type { TemplatedApp, us_listen_socket } from 'uWebSockets.js'
import { findNextDescriptor, type BacklogCall, type SetBacklog } from './backlog.js'
import type { Binding } from './binding.js'

export interface ListenSettings {
  readonly host: string
  /** 0 takes a free one, on which no app can be replaced: the system refuses to share such a port. */
  readonly port: number
  readonly exclusivePort: boolean
  /** Called for each socket that listens. Null: the native layer's own backlog is the right one. */
  readonly setBacklog: SetBacklog | null
}

/** The socket that connections come in by: none, or one that an app has. */
export interface ListenSocket {
  /** False: the address cannot be had. */
  open (app: TemplatedApp): boolean
  /** Has another app listen. False: the address cannot be had, and the one before goes on. */
  handOver (current: TemplatedApp, next: TemplatedApp): boolean
  /** Only of one that is open. */
  port (): number
  /** Those that wait to be accepted are reset. */
  close (): void
  /** While another process holds the port: resolves when it does no more. Never rejects. */
  readonly heldElsewhere: Promise<void> | null
}

/** The types lack the form with a host and options at once. */
type Listen = (host: string, port: number, options: number, done: (socket: us_listen_socket | false) => void) => void

/** Makes one that is not open. */
export function createListenSocket (uws: Binding['uws'], settings: ListenSettings): ListenSocket {
  let listening: us_listen_socket | null = null
  /** While it is under way another process holds the socket too, and with it the port. */
  let setting: BacklogCall | null = null

  function openOne (app: TemplatedApp): us_listen_socket | null {
    const descriptor = findNextDescriptor()
    const opened = openNative(uws, app, settings)
    if (opened !== null) watch(settings.setBacklog?.(descriptor, portOf(uws, opened)) ?? null)
    return opened
  }

  function watch (call: BacklogCall | null): void {
    setting = call
    void call?.ended.then(() => { if (setting === call) setting = null })
  }

  function closeOne (): void {
    if (listening !== null) uws.us_listen_socket_close(listening)
    listening = null
  }

  function close (): void {
    setting?.stop()
    closeOne()
  }

  return {
    open (app) {
      listening = openOne(app)
      return listening !== null
    },
    // Between the two nobody listens on an exclusive port, but no other program runs in this thread meanwhile.
    handOver (current, next) {
      if (settings.exclusivePort) close()
      const opened = openOne(next)
      if (opened !== null) closeOne()
      listening = opened ?? listening ?? openOne(current)
      return opened !== null
    },
    port: () => listening === null ? 0 : portOf(uws, listening),
    close,
    get heldElsewhere () { return setting?.ended ?? null }
  }
}

/** Null when the address cannot be had. The native layer calls back before it returns. */
function openNative (uws: Binding['uws'], native: TemplatedApp, { host, port, exclusivePort }: ListenSettings): us_listen_socket | null {
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
