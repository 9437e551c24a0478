import { ownEnding, type Ending } from './close-policy.js'

/** Tokens refused one after the other before the client gives up: the user has to sign in again. */
const MAX_REFUSED_TOKENS = 5

/** The token that the connection was opened with, and what became of those before it. */
export class PresentedToken {
  current = ''
  /** The token that was refused last: it is not presented again. */
  private refused: string | null = null
  private refusedInARow = 0

  /** Why the next one is asked for. */
  get reason (): 'connect' | 'refused' { return this.refused === null ? 'connect' : 'refused' }

  /** Takes the next token; what ends the attempt when it is the one that was just refused. */
  present (token: string): Ending | null {
    if (token === this.refused) {
      return { ...ownEnding('token_failed', new Error('the token callback gave the token that was just refused')), reconnect: 'with a new token' }
    }
    this.current = token
    return null
  }

  /** The gateway let it in. */
  accepted (): void {
    this.refused = null
    this.refusedInARow = 0
  }

  /** The gateway refused it. True when there were too many in a row. */
  refuse (): boolean {
    this.refused = this.current
    return ++this.refusedInARow >= MAX_REFUSED_TOKENS
  }
}
