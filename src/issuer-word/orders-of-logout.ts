import type { LogoutToken } from '../tokens/logout-token.js'
import { upToSecond, type Said } from './said.js'

/** What a logout token orders: the end of its session, or of all that its user had begun until then. `issuer`: its configured name. */
export function ordersOfLogout ({ id, sid, sub, issuedAtS }: LogoutToken, issuer: string): Said {
  if (sid !== null) return { id, orders: [{ kind: 'sid', id: sid, issuer, issuedBeforeMs: null }], aside: null }
  // Who logs in anew within that second needs one more token, which the client fetches by itself.
  return { id, orders: sub === null ? [] : [{ kind: 'sub', id: sub, issuer, issuedBeforeMs: upToSecond(issuedAtS) }], aside: null }
}
