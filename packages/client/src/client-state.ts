import type { Ending } from './close-policy.js'

/** Where the client is. */
export type ClientState =
  /** A token is asked for, a socket is opened, what was subscribed is subscribed again. */
  | { readonly status: 'connecting' }
  /** From here on no event of what is subscribed is missed. */
  | { readonly status: 'open', readonly userId: string, readonly connectionId: string }
  /** It will try again. */
  | { readonly status: 'waiting', readonly retryInMs: number, readonly because: Ending }
  /** It will not. */
  | { readonly status: 'closed', readonly because: Ending }
