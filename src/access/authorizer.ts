import { mapKinds, type ByKind } from '../kinds.js'
import type { Identity } from '../tokens/identity.js'

/** Ids asked for; `'*'` means all that this user may see now. */
export type Asked = ByKind<readonly string[] | '*'>

/**
 * The part of what was asked for that this user may see. `unlistable`: `*` was asked of a right that cannot be listed. `because`: why
 * the rest is not visible, for operators, where there is more to say than that it is not.
 */
export interface Visible extends ByKind<readonly string[]> {
  readonly unlistable?: boolean
  readonly because?: string
}

/** What a user sees who may see nothing. */
export const NOTHING_VISIBLE: Visible = mapKinds(() => [])

/** How a question is meant. */
export interface AskOptions {
  /** Not from a cache. */
  readonly fresh: boolean
  /** An open connection's rights are checked again: there are places for that which those who connect or subscribe cannot take. */
  readonly recheck?: boolean
  /** An operator's question: its answer is from no cache and for no cache, and says nothing of the back end to those that come after. */
  readonly leavesNoTrace?: boolean
}

/** Hears that a back end does not protect its rows (with the reasons), and that it does again (null). */
export type OnUnsafe = (reasons: readonly string[] | null) => void

/** The port that decides what a user may see. Missing and forbidden are the same answer: not in the result. */
export interface Authorizer {
  /** True when `visible` answers at once, from the token alone: then no round trip separates address and slot checks. */
  readonly local: boolean
  /**
   * The visible part of what is asked.
   * Rejects when the back end cannot answer: the caller treats that as `unavailable`, never as allowed.
   */
  visible (identity: Identity, token: string, asked: Asked, options: AskOptions): Visible | Promise<Visible>
  /** Rights of this user, or of all (null), may have changed: no answer that was asked for before now is used from memory again. */
  forget (userId: string | null): void
  /**
   * From now on `onUnsafe` hears when the back end does not protect its rows any more: then everything that it gave has to
   * end. Absent where that cannot be.
   */
  watchSafety? (onUnsafe: OnUnsafe): void
  close (): Promise<void>
}
