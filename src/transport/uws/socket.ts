import type { WebSocket } from 'uWebSockets.js'
import type { SendOutcome, Socket, SocketHandlers } from '../../connection/transport.js'

/** What the native layer keeps for a socket. It copies this object shallowly, so the state is one step away. */
export interface UserData { readonly s: UwsSocket }

/** By what the native `send` returns. */
const OUTCOMES: readonly SendOutcome[] = ['buffered', 'sent', 'dropped']

/** One native socket. The native object must not be touched once it has closed, so it is forgotten then. */
export class UwsSocket implements Socket {
  handlers: SocketHandlers | null = null
  private ws: WebSocket<UserData> | null = null
  private closedCode: number | null = null

  /** `first`: the frame that leaves with the handshake. */
  constructor (private first: Uint8Array | null) {}

  /** The handshake is going out. Nothing more may be done here, see `UwsUpgrade.accept`. */
  opened (ws: WebSocket<UserData>): void {
    this.ws = ws
    if (this.first !== null) ws.send(this.first)
    this.first = null
  }

  /** True once it has closed. */
  get isClosed (): boolean { return this.closedCode !== null }

  /** Hands the socket over, also one that has closed already. False when it never opened. */
  start (onOpen: (socket: Socket) => SocketHandlers): boolean {
    if (this.ws === null && this.closedCode === null) return false
    this.handlers = onOpen(this)
    // One that closed before, or was ended by `onOpen` itself, did so before its handlers were known.
    if (this.closedCode !== null) this.closed(this.closedCode)
    return true
  }

  closed (code: number): void {
    this.ws = null
    this.closedCode = code
    this.handlers?.onClose(code)
    this.handlers = null
  }

  send (frame: string | ArrayBuffer | Uint8Array): SendOutcome { return this.ws === null ? 'sent' : OUTCOMES[this.ws.send(frame)] ?? 'sent' }
  bufferedBytes (): number { return this.ws === null ? 0 : this.ws.getBufferedAmount() }
  end (code: number, reason: string): void { this.ws?.end(code, reason) }
  ping (): void { this.ws?.ping() }

  together (work: () => void): void {
    if (this.ws === null) return work()
    let fault: { readonly error: unknown } | null = null
    // Nothing may be thrown into the native layer.
    this.ws.cork(() => {
      try { work() } catch (error) { fault = { error } }
    })
    if (fault !== null) throw (fault as { readonly error: unknown }).error
  }

  terminate (): void { this.ws?.close() }
  subscribe (topic: string): void { this.ws?.subscribe(topic) }
  unsubscribe (topic: string): void { this.ws?.unsubscribe(topic) }
}
