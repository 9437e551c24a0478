import { isGatewayEnding, type Ending } from './close-policy.js'

/** Life of a resume ticket. */
const TICKET_MS = 120_000

/** The resume ticket that the last connection left for the next. */
export interface KeptTicket {
  /** Takes that of a `closing` frame, or notes that there was none in it. */
  keep (text: string | undefined): void
  /** What the next attempt presents; null: nothing. */
  present (): string | null
  /** The gateway has let the client in: the ticket is spent. */
  drop (): void
  /** A connection or an attempt is over. */
  noteEnd (because: Ending): void
}

/**
 * Keeps a ticket over attempts that may never have reached a gateway, as while the only one restarts: until one lets the client in or
 * refuses it by name, at most 120 s. A spent ticket is as good as none, so one time too many does no harm. `now` is a monotonic
 * clock in ms.
 */
export function createKeptTicket (now: () => number): KeptTicket {
  let kept: { readonly text: string, readonly receivedAtMs: number, presented: boolean } | null = null

  return {
    keep (text) { kept = text === undefined ? null : { text, receivedAtMs: now(), presented: false } },
    present () {
      if (kept === null) return null
      if (now() - kept.receivedAtMs >= TICKET_MS) kept = null
      else kept.presented = true
      return kept?.text ?? null
    },
    drop () { kept = null },
    noteEnd (because) {
      // The connection that brought a ticket ends by name as well.
      if (kept !== null && kept.presented && isGatewayEnding(because)) kept = null
    }
  }
}
