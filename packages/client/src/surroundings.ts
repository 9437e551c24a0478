/** The part of a WebSocket that is used: the browser's, Node's (22 and later) or that of the package `ws`. */
export interface SocketLike {
  addEventListener (type: 'open', listener: () => void): void
  addEventListener (type: 'error', listener: (event: { readonly message?: unknown }) => void): void
  addEventListener (type: 'message', listener: (event: { data: unknown }) => void): void
  addEventListener (type: 'close', listener: (event: { code: number, reason: string }) => void): void
  send (text: string): void
  close (code?: number): void
}

export type SocketConstructor = new (url: string, protocols: string[]) => SocketLike

/** What a page has and Node may not. */
interface Surroundings {
  readonly WebSocket?: SocketConstructor
  readonly location?: { readonly href: string }
  readonly navigator?: { readonly onLine?: boolean }
  addEventListener? (type: 'online', listener: () => void): void
  removeEventListener? (type: 'online', listener: () => void): void
}

const surroundings = globalThis as Surroundings

/** The surroundings' own WebSocket; undefined in Node 20. */
export const findSocketConstructor = (): SocketConstructor | undefined => surroundings.WebSocket

/** What a relative address is relative to; undefined outside of pages. */
export const pageAddress = (): string | undefined => surroundings.location?.href

/** False only when the surroundings say that there is no network. */
export const isOnline = (): boolean => surroundings.navigator?.onLine !== false

/** Calls back when the network is there again, where that can be known. Returns what ends it. */
export function watchOnline (listener: () => void): () => void {
  surroundings.addEventListener?.('online', listener)
  return () => { surroundings.removeEventListener?.('online', listener) }
}
