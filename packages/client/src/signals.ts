import type { ClientState } from './client-state.js'
import type { GapFrame, ServerFrame } from './frames.js'

/**
 * Whether the application gets all that it missed, by topic. `false`: events may be missing, so the topic's state is to be fetched anew.
 * Told of topics that were listened to before, and with a storage of all, as the page before may have listened to them.
 */
export interface Recovered {
  readonly topics: Readonly<Record<string, boolean>>
}

/** Topics that the gateway no longer lets this user see. */
export interface Denied {
  readonly topics: readonly string[]
  /** The name of the refusal: `forbidden`, or `bad_request` for more than the gateway takes. */
  readonly reason: string
}

/**
 * What a client tells: its state, topics that it lost the right to, whether events were missed, and frames of the gateway by type.
 * `gap`: events of these topics may be missing although the connection stood.
 */
export type Signals<Events extends object = Record<string, unknown>> =
  & { [Type in ServerFrame['type']]: Extract<ServerFrame<Events>, { type: Type }> }
  & { state: ClientState, denied: Denied, recovered: Recovered, gap: GapFrame }
