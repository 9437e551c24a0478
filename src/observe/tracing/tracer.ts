import type { RefusalName } from '../../refusals.js'

/** What both kinds of span have. */
interface Timed {
  /** From the beginning to now, in ms. */
  readonly durationMs: number
  /** The `traceparent` that the caller may choose, unjudged; null or `''`: none. */
  readonly traceparent: string | null
}

/** An upgrade that has an outcome. No token, no query and no user is a part of it: spans go to others than the log. */
export interface UpgradeSpan extends Timed {
  /** `accepted`, the name of the refusal, or `aborted`: the client left before it was answered. */
  readonly outcome: 'accepted' | 'aborted' | RefusalName
  /** Why it was refused, in one of our own words; `''`: nothing more is known. */
  readonly cause: string
  /** The HTTP status that was answered; null: none was. */
  readonly status: number | null
  /** A WebSocket path; null: it was none, and may hold anything. */
  readonly path: string | null
  /** By which its lines in the log are found; null: it did not become a connection. */
  readonly connectionId: string | null
}

/** A request to publish whose body could be read. */
export interface PublishSpan extends Timed {
  readonly outcome: 'accepted' | 'unavailable'
  readonly status: number
  /** Events of the request, and those of them that were published. */
  readonly events: number
  readonly accepted: number
}

/** Writes spans. Where there is none, none is made: the parts of the gateway are given null. */
export interface Tracer {
  upgrade (span: UpgradeSpan): void
  publish (span: PublishSpan): void
  /** Sends what is left, for 2 s at most. Never rejects. */
  close (): Promise<void>
}

/** What spans say of the process, and where they go. */
export interface TracerOptions {
  /** Of the collector, with its path. */
  readonly tracesUrl: string
  /** The process, as in the log. */
  readonly node: string
  /** Spans cannot be sent: told once, until they can again. `reason`, `detail`: as in the log; `detail` null: nothing is known. */
  readonly onFailed: (reason: string, detail: string | null) => void
  /** They can be sent again; `spans` were lost in `durationMs`. */
  readonly onRestored: (spans: number, durationMs: number) => void
}

export type CreateTracer = (options: TracerOptions) => Tracer
