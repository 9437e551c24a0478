/**
 * What a connection needs of the network, in plain terms. `server/uws.ts` is its only implementation and the only
 * place that knows uWebSockets.js.
 */

/** The head of an upgrade request, copied: nothing of the native request outlives its callback. */
export interface UpgradeHead {
  readonly path: string
  /** As sent, undecoded, without the `?`. */
  readonly query: string
  /** Size of the whole head: request line and header lines. */
  readonly bytes: number
  readonly headers: UpgradeHeaders
  /** The TCP peer, 4 or 16 bytes. */
  readonly peer: ArrayBuffer
  /** The address in a PROXY v2 header; empty when there was none. Anyone can send one. */
  readonly proxied: ArrayBuffer
}

/** The headers that matter; `''` when absent. One that came several times is joined by `, ` in order (RFC 9110 section 5.3). */
export interface UpgradeHeaders {
  host: string
  origin: string
  authorization: string
  upgrade: string
  connection: string
  secWebSocketKey: string
  secWebSocketVersion: string
  secWebSocketProtocol: string
  secWebSocketExtensions: string
  forwardedFor: string
  traceparent: string
}

/** One upgrade that waits for its answer. The first of `refuse`, `accept` and an abort counts; later ones do nothing. */
export interface PendingUpgrade {
  readonly head: UpgradeHead
  /** Called once if the client goes away before the answer. */
  onAborted: (() => void) | null
  /** Answers by HTTP and closes the TCP connection. */
  refuse (status: number, headers: readonly (readonly [string, string])[], body: string): void
  /**
   * Completes the handshake; `first` (UTF-8, or null) leaves as a text frame in the same write, and `onOpen` gets the socket
   * before anything arrives on it. False when the client is gone.
   */
  accept (protocol: string, first: Uint8Array | null, onOpen: (socket: Socket) => SocketHandlers): boolean
}

/** What the native layer calls for one open socket. */
export interface SocketHandlers {
  /** `data` dies when the handler returns. */
  onMessage (data: ArrayBuffer, isBinary: boolean): void
  onPing (): void
  onDrain (): void
  /** Called exactly once; the socket is dead by then. */
  onClose (code: number): void
}

/** Whether what was sent went out at once, waits for the client to read, or was lost at the hard backpressure cap. */
export type SendOutcome = 'sent' | 'buffered' | 'dropped'

/** One open WebSocket. After it closed, its methods do nothing. */
export interface Socket {
  /** Sends a text frame, given as text or as its UTF-8. One that was dropped is the last: the socket is about to close. */
  send (frame: string | ArrayBuffer | Uint8Array): SendOutcome
  /** Unsent bytes; 0 once closed. */
  bufferedBytes (): number
  /** Sends a close frame with a reason of at most 123 bytes (RFC 6455 section 5.5) and closes. */
  end (code: number, reason: string): void
  /** What is sent while `work` runs leaves as few writes as it fits in: a system call each costs more than most frames. */
  together (work: () => void): void
  ping (): void
  /** Closes without a word: the client sees 1006. */
  terminate (): void
  /** Joins the native topic that `publish` of the server reaches. */
  subscribe (topic: string): void
  unsubscribe (topic: string): void
}
