import type { Publication } from '../history/history.js'

/** An event with the id by which a second try of it is known. */
export type NamedPublication = Publication & { readonly id: string }

/** Where an event stands in its topic. */
export interface PublishedEvent {
  /** `<epoch>:<offset>`; null: the gateway has a bus of its own program, which gives no positions. */
  readonly pos: string | null
  /** It had been published before under this id, perhaps by an earlier try of the same call. */
  readonly duplicate: boolean
}

/** Asks once to publish an event, and waits for the answer at most `timeoutMs`. Rejects with a `PublishError`. */
export type SendOnce = (publication: NamedPublication, timeoutMs: number) => Promise<PublishedEvent>
