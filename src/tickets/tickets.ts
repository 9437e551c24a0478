import { createTwoGenerationMap } from '../collections/two-generation-map.js'
import { refuse, type Refusal } from '../refusals.js'
import { sealToken, unsealToken, type TicketedToken } from './seal-token.js'
import type { TicketStore } from './ticket-store.js'
import { nameOfTicket, TICKET_LIFE_MS, type TicketTexts } from './ticket-text.js'

/** What became of a ticket: given to who asked for it; taken, or not, from who came with it. */
export type TicketOutcome = 'issued' | 'redeemed' | 'rejected'

/** A ticket that may open a connection: made by one of our processes, for this address, and not known to be used. */
export interface GenuineTicket {
  /** Gives the token that it stands for, once in the whole cluster, or why not. Never rejects. */
  redeem (): Promise<TicketedToken | Refusal>
}

/** Tickets stand for a token in one upgrade or `refresh`, so that no token need stand in a URL. */
export interface Tickets {
  /** Makes a ticket for a token that was found good. Rejects when the store is away; null while no key is known. */
  issue (ticketed: TicketedToken, addressKey: string): Promise<string | null>
  /** Judges a presented ticket by itself: asks no store. */
  judge (text: string, addressKey: string): GenuineTicket | Refusal
}

export interface TicketsDeps {
  readonly texts: TicketTexts
  readonly store: TicketStore
  readonly onOutcome: (outcome: TicketOutcome) => void
}

const MAX_REMEMBERED = 100_000
const USED = refuse('invalid_token', { detail: 'ticket_used' })
const UNREADABLE = refuse('invalid_token', { detail: 'ticket_unreadable' })
const AWAY = refuse('unavailable', { retryAfterMs: 1000, detail: 'tickets' })

export function createTickets ({ texts, store, onOutcome }: TicketsDeps): Tickets {
  // One that was presented here costs no call of the store any more, however often it comes.
  const presented = createTwoGenerationMap<boolean>(MAX_REMEMBERED, 2 * TICKET_LIFE_MS)

  function reject (refusal: Refusal): Refusal {
    onOutcome('rejected')
    return refusal
  }

  async function redeem (text: string, name: string): Promise<TicketedToken | Refusal> {
    // Two that come at once with one ticket: the first to ask has it.
    if (presented.get(name) === true) return reject(USED)
    presented.set(name, true, performance.now())
    let sealed: string | null
    try {
      sealed = await store.take(name)
    } catch {
      // Who was not heard may ask again: should the store have given it all the same, it says so then.
      presented.set(name, false, performance.now())
      return reject(AWAY)
    }
    if (sealed === null) return reject(USED)
    const ticketed = unsealToken(text, sealed)
    if (ticketed === null) return reject(UNREADABLE)
    onOutcome('redeemed')
    return ticketed
  }

  return {
    async issue (ticketed, addressKey) {
      const text = texts.make(addressKey)
      if (text === null) return null
      await store.keep(nameOfTicket(text), sealToken(text, ticketed), TICKET_LIFE_MS)
      onOutcome('issued')
      return text
    },
    judge (text, addressKey) {
      const fault = texts.findFault(text, addressKey)
      if (fault !== null) return reject(refuse('invalid_token', { detail: fault }))
      const name = nameOfTicket(text)
      return presented.get(name) === true ? reject(USED) : { redeem: async () => await redeem(text, name) }
    }
  }
}
