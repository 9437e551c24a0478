import type { JsonWebKey } from 'node:crypto'
import type { Place } from './visit.js'

/** What the thread is made for. */
export interface Errand {
  readonly kind: 'warm-up'
  readonly issuer: string
  readonly visits: number
}

export type FromThread =
  /** The stand-in listens, and the visitors' tokens are signed with this key. */
  { readonly kind: 'open', readonly redisPort: number, readonly jwk: JsonWebKey } |
  /** All visits are over. */
  { readonly kind: 'done' }

/** Once: go there. */
export type ToThread = Place

export function isErrand (value: unknown): value is Errand {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'warm-up'
}
