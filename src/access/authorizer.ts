import { mapKinds, type ByKind } from '../kinds.js'
import type { Identity } from '../tokens/identity.js'

/** Ids asked for; `'*'` means all that this user may see now. */
export type Asked = ByKind<readonly string[] | '*'>

/** The part of what was asked for that this user may see. `unlistable`: `*` was asked of a right that cannot be listed. */
export interface Visible extends ByKind<readonly string[]> {
  readonly unlistable?: boolean
}

/** What a user sees who may see nothing. */
export const NOTHING_VISIBLE: Visible = mapKinds(() => [])

/** The port that decides what a user may see. Missing and forbidden are the same answer: not in the result. */
export interface Authorizer {
  /** True when `visible` answers at once, from the token alone: then no round trip separates address and slot checks. */
  readonly local: boolean
  /**
   * The visible part of what is asked. `fresh` bypasses any cache (re-checks).
   * Rejects when the back end cannot answer: the caller treats that as `unavailable`, never as allowed.
   */
  visible (identity: Identity, token: string, asked: Asked, options: { readonly fresh: boolean }): Visible | Promise<Visible>
  /** Rights may have changed: no answer that was asked for before now is used from memory again. */
  forget (): void
  close (): Promise<void>
}
