import type { SocketConstructor, SocketLike } from '../../packages/client/src/surroundings.js'
import type { Sent, Wire } from './wire.js'

/** A socket as the network sees it. */
export interface SimSocket {
  arrive (sent: Sent): void
}

export interface SocketNetwork {
  open (socket: SimSocket, search: string): Wire
}

type Listeners = { message: (event: { data: unknown }) => void, close: (event: { code: number, reason: string }) => void }

/** The WebSocket of a page, on the simulated network. */
export function createSimSocket (network: SocketNetwork): SocketConstructor {
  return class implements SocketLike, SimSocket {
    private readonly listeners: Partial<Listeners> = {}
    private readonly wire: Wire
    private isClosed = false

    constructor (url: string) {
      this.wire = network.open(this, new URL(url).search.slice(1))
    }

    // Each is listened to once.
    addEventListener (type: string, listener: unknown): void { Object.assign(this.listeners, { [type]: listener }) }

    send (text: string): void { if (!this.isClosed) this.wire.sendToServer(text) }

    close (code = 1005): void {
      this.isClosed = true
      this.wire.closeByClient(code)
    }

    arrive (sent: Sent): void {
      if (this.isClosed) return
      if ('text' in sent) return this.listeners.message?.({ data: sent.text })
      this.isClosed = true
      this.listeners.close?.(sent)
    }
  }
}
