import { finalEnding, ownEnding, readClose, type Ending, type OwnEnding } from './close-policy.js'
import { describeFrame } from './debug.js'
import { readFrame, SUBPROTOCOL, type ClosingFrame, type Ids, type ServerFrame } from './frames.js'
import type { ClientSettings } from './client-options.js'

export interface ConnectionOptions {
  readonly settings: Pick<ClientSettings, 'url' | 'carrier' | 'Socket' | 'timeoutMs' | 'debug' | 'clock'>
  readonly token: string
  /** Stands for the token, which is not sent; null: none. */
  readonly ticket: string | null
  readonly eventTypes: Ids
  /** Resume pass of the connection before; null: none. */
  readonly pass: string | null
  /** From where the user's own topic goes on; null: from now. */
  readonly since: string | null
  readonly onFrame: (frame: ServerFrame) => void
  /** Called once, whatever ends it, but not after `abandon`. */
  readonly onEnd: (ending: Ending) => void
}

/** One socket, from the attempt to its end. */
export interface Connection {
  send (text: string): void
  /** Ends it now, without waiting for a peer that may be gone. */
  drop (ending: OwnEnding): void
  /** The same, and nobody is told. */
  abandon (): void
}

/** How the package `ws` tells that an upgrade was answered so. */
const BAD_REQUEST = /server response: 400\b/

/** The address of one attempt. `refuse=close`: a browser cannot read the status of a refused upgrade, but it can read a close. */
function addressOf ({ settings, token, ticket, eventTypes, pass, since }: ConnectionOptions): string {
  const url = new URL(settings.url)
  url.searchParams.set('refuse', 'close')
  if (eventTypes !== '*') url.searchParams.set('event_types', eventTypes.join(','))
  if (pass !== null) url.searchParams.set('resume', pass)
  if (since !== null) url.searchParams.set('since', since)
  if (ticket !== null) url.searchParams.set('ticket', ticket)
  else if (settings.carrier === 'query') url.searchParams.set('token', token)
  return url.href
}

/** When the close itself says nothing, a `closing` frame before it has said it. */
function explain (code: number, reason: string, closing: ClosingFrame | null): Ending {
  if (closing === null || (code !== 1006 && code !== 1005)) return readClose(code, reason)
  return { ...readClose(closing.code, JSON.stringify({ error: closing.error })), code }
}

/** Opens a socket. It ends with `no_answer` when no frame comes within `timeoutMs`, or no end that long after `closing`. */
export function openConnection (options: ConnectionOptions): Connection {
  const { settings: { Socket, carrier, timeoutMs, debug, clock }, onFrame, onEnd } = options
  const protocols = carrier === 'protocol' && options.ticket === null ? [SUBPROTOCOL, `bearer.${options.token}`] : [SUBPROTOCOL]
  const socket = new Socket(addressOf(options), protocols)
  let isOver = false
  let closing: ClosingFrame | null = null
  let cancel = clock.after(timeoutMs, () => { drop('no_answer') })

  function finish (): boolean {
    if (isOver) return false
    isOver = true
    cancel()
    return true
  }
  function abandon (): void {
    if (!finish()) return
    // No other code of ours is allowed in a browser, and a socket that never opened throws nothing either.
    socket.close(1000)
  }
  function drop (ending: OwnEnding): void {
    if (isOver) return
    abandon()
    onEnd(ownEnding(ending))
  }
  socket.addEventListener('error', ({ message }) => {
    // `close` follows, and says as much as can be known; the package `ws` alone says here what a browser hides.
    if (BAD_REQUEST.test(String(message)) && finish()) onEnd(finalEnding('bad_request'))
  })
  socket.addEventListener('message', ({ data }) => {
    const frame = isOver ? null : readFrame(data)
    if (frame === null) return
    if (closing === null) cancel()
    if (frame.type === 'closing' && closing === null) {
      closing = frame
      cancel = clock.after(timeoutMs, () => { drop('no_answer') })
    }
    onFrame(frame)
  })
  socket.addEventListener('close', ({ code, reason }) => {
    if (finish()) onEnd(explain(code, reason, closing))
  })
  function send (text: string): void {
    if (isOver) return
    debug?.(`sends ${describeFrame(JSON.parse(text) as object)}`)
    socket.send(text)
  }
  return { send, drop, abandon }
}
