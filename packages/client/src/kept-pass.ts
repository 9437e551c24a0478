import { isGatewayEnding, type Ending } from './close-policy.js'

/** Life of a resume pass. */
const PASS_MS = 120_000

/** The resume pass that the last connection left for the next. */
export interface KeptPass {
  /** Takes that of a `closing` frame, or notes that there was none in it. */
  keep (text: string | undefined): void
  /** What the next attempt presents; null: nothing. */
  present (): string | null
  /** The gateway has let the client in: the pass is spent. */
  drop (): void
  /** A connection or an attempt is over. */
  noteEnd (because: Ending): void
}

/**
 * Keeps a pass over attempts that may never have reached a gateway, as while the only one restarts: until one lets the client in or
 * refuses it by name, at most 120 s. A spent pass is as good as none, so one time too many does no harm. `now` is a monotonic
 * clock in ms.
 */
export function createKeptPass (now: () => number): KeptPass {
  let kept: { readonly text: string, readonly receivedAtMs: number, presented: boolean } | null = null

  return {
    keep (text) { kept = text === undefined ? null : { text, receivedAtMs: now(), presented: false } },
    present () {
      if (kept === null) return null
      if (now() - kept.receivedAtMs >= PASS_MS) kept = null
      else kept.presented = true
      return kept?.text ?? null
    },
    drop () { kept = null },
    noteEnd (because) {
      // The connection that brought a pass ends by name as well.
      if (kept !== null && kept.presented && isGatewayEnding(because)) kept = null
    }
  }
}
