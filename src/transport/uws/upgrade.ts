import type { HttpResponse, us_socket_context_t } from 'uWebSockets.js'
import type { PendingUpgrade, Socket, SocketHandlers, UpgradeHead } from '../../connection/transport.js'
import { answer, answerCorked } from './http-host.js'
import type { UpgradeCork } from './upgrade-cork.js'
import { UwsSocket, type UserData } from './socket.js'

/** One native upgrade that waits for its answer. */
export class UwsUpgrade implements PendingUpgrade {
  head!: UpgradeHead
  onAborted: (() => void) | null = null
  /** The native callback is still running: its output is corked already. */
  inCallback = true
  private done = false

  /** `onLost`: the native layer closed a socket while it upgraded it, which must not happen, see `findUpgradeCork`. */
  constructor (
    private readonly res: HttpResponse, private readonly context: us_socket_context_t, private readonly cork: UpgradeCork,
    private readonly onLost: () => void
  ) {}

  abort (): void {
    if (this.done) return
    this.done = true
    this.onAborted?.()
  }

  refuse (status: number, headers: readonly (readonly [string, string])[], body: string): void {
    if (this.done) return
    this.done = true
    if (this.inCallback) answerCorked(this.res, { status, headers, body })
    else answer(this.res, { status, headers, body })
  }

  /**
   * Inside the cork nothing happens but the handshake and a frame that lies ready as bytes. From the 101 on the connection
   * counts as accepted, even if it has closed by the end of this call: `onOpen` is called first, then its close handler.
   */
  accept (protocol: string, first: Uint8Array | null, onOpen: (socket: Socket) => SocketHandlers): boolean {
    if (this.done) return false
    this.done = true
    const { secWebSocketKey, secWebSocketExtensions } = this.head.headers
    const socket = new UwsSocket(first)
    const userData: UserData = { s: socket }
    const upgrade = (): void => {
      this.res.upgrade<UserData>(userData, secWebSocketKey, protocol, secWebSocketExtensions, this.context)
    }
    if (this.inCallback) upgrade()
    else this.cork(this.res, upgrade)
    if (socket.isClosed) this.onLost()
    return socket.start(onOpen)
  }
}
