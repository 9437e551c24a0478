import type { Ids } from './frames.js'

/** Names of the events that the application wants, and how the gateway is told. */
export interface EventTypes {
  /** The application has narrowed or widened them, and the gateway has confirmed it. */
  confirm (names: Ids): void
  /**
   * What the next attempt names in its address; `*`: nothing. A browser can't read the refusal of an address, so names that may be too
   * many, or too long for a request's head, go by a frame instead.
   */
  inAddress (): Ids
  /** An attempt ended before `welcome`, and nothing said why: the names may have been the reason. */
  noteUnexplained (): void
  /** `welcome` came. False: there are more names than this gateway takes. */
  greeted (maxIds: number): boolean
  /** What a frame must tell the gateway now; null: it knows. */
  owed (): readonly string[] | null
  /** False: the gateway was not told yet, and this event is not wanted. */
  takes (event: string): boolean
}

/** `maxIds`: what a list may hold, as long as no gateway has told. */
export function createEventTypes (initial: Ids, maxIds: number): EventTypes {
  let names = initial
  let longest = maxIds
  let isSuspect = false
  /** The gateway knows. */
  let isTold = true

  return {
    confirm (confirmed) {
      names = confirmed
      isTold = true
    },
    inAddress () {
      isTold = names === '*' || (!isSuspect && names.length <= longest)
      return isTold ? names : '*'
    },
    noteUnexplained () { isSuspect = true },
    greeted (told) {
      longest = told
      return names === '*' || names.length <= longest
    },
    owed: () => isTold || names === '*' ? null : names,
    takes: event => isTold || names === '*' || names.includes(event)
  }
}
