import { askToken } from './ask-token.js'
import type { ClientSettings, TokenReason } from './client-options.js'
import { finalEnding, ownEnding, type Ending } from './close-policy.js'
import type { EventTypes } from './event-types.js'
import type { ServerFrame, WelcomeFrame } from './frames.js'
import { openConnection, type Connection } from './connection.js'
import { createKeptTicket } from './kept-ticket.js'
import { PresentedToken } from './presented-token.js'
import type { Requests } from './requests.js'
import type { Denied } from './resubscribe.js'
import { RetryClock } from './retry-clock.js'
import { startSession, type Session } from './session.js'
import { watchOnline } from './surroundings.js'
import type { Wanted } from './wanted.js'

/** Where the client is. */
export type ClientState =
  /** A token is asked for, a socket is opened, what was subscribed is subscribed again. */
  | { readonly status: 'connecting' }
  /** From here on no event of what is subscribed is missed. */
  | { readonly status: 'open', readonly userId: string, readonly connectionId: string }
  /** It will try again. */
  | { readonly status: 'waiting', readonly retryInMs: number, readonly because: Ending }
  /** It will not. */
  | { readonly status: 'closed', readonly because: Ending }

export interface ConnectionLoopOptions {
  readonly settings: ClientSettings
  readonly requests: Requests
  readonly wanted: Wanted
  readonly eventTypes: EventTypes
  readonly onState: (state: ClientState) => void
  readonly onFrame: (frame: ServerFrame) => void
  readonly onDenied: (denied: Denied) => void
}

export interface ConnectionLoop {
  start (): void
  end (ending: Ending): void
}

/** One connection after the other, as the gateway's closes allow it. */
export function createConnectionLoop (options: ConnectionLoopOptions): ConnectionLoop {
  return new Loop(options)
}

class Loop implements ConnectionLoop {
  private readonly over = new AbortController()
  private readonly token = new PresentedToken()
  private readonly ticket = createKeptTicket()
  private readonly clock: RetryClock
  private readonly unwatch: () => void
  private connection: Connection | null = null
  private session: Session | null = null
  private asking: Promise<string | null> | null = null
  private timer: ReturnType<typeof setTimeout> | undefined

  constructor (private readonly options: ConnectionLoopOptions) {
    this.clock = new RetryClock(options.settings)
    this.unwatch = watchOnline(() => { this.onOnline() })
  }

  start (): void {
    this.timer = undefined
    this.attempt().catch(() => { if (!this.over.signal.aborted) this.settle(ownEnding('token_failed')) })
  }

  end (because: Ending): void {
    if (this.over.signal.aborted) return
    this.over.abort()
    this.unwatch()
    clearTimeout(this.timer)
    this.options.requests.end()
    this.session?.stop()
    this.connection?.abandon()
    this.options.onState({ status: 'closed', because })
  }

  /** One question at a time: what is being fetched for a connection that has ended meanwhile serves the next. */
  private async getToken (reason: TokenReason): Promise<string | null> {
    const { token, timeoutMs } = this.options.settings
    this.asking ??= askToken(token, reason, timeoutMs, this.over.signal).finally(() => { this.asking = null })
    return await this.asking
  }

  private signOut (): void { this.end(ownEnding('signed_out')) }

  private async attempt (): Promise<void> {
    const { settings, onState, eventTypes } = this.options
    onState({ status: 'connecting' })
    if (this.over.signal.aborted) return
    const next = await this.getToken(this.token.reason)
    if (this.over.signal.aborted) return
    if (next === null) return this.signOut()
    const failed = this.token.present(next)
    if (failed !== null) return this.settle(failed)
    this.clock.attempted()
    this.connection = openConnection({
      settings,
      token: next,
      ticket: this.ticket.present(),
      eventTypes: eventTypes.inAddress(),
      onFrame: (frame) => { this.receive(frame) },
      onEnd: (ending) => { this.settle(ending) }
    })
  }

  private receive (frame: ServerFrame): void {
    if (frame.type === 'welcome' && this.session === null && this.connection !== null) this.session = this.greet(this.connection, frame)
    if (frame.type === 'closing') {
      this.ticket.keep(frame.resume)
      this.clock.told(frame.reconnect_after_ms)
    }
    this.session?.receive(frame)
    if (frame.type === 'event' && !this.options.eventTypes.takes(frame.event)) return
    this.options.onFrame(frame)
  }

  /** Null: the client has ended, as it asks for more than this gateway takes. */
  private greet (connection: Connection, welcome: WelcomeFrame): Session | null {
    this.ticket.drop()
    this.clock.opened()
    this.token.accepted()
    if (!this.options.eventTypes.greeted(welcome.limits.filter_ids)) {
      this.end(finalEnding('bad_request'))
      return null
    }
    return startSession({
      ...this.options,
      connection,
      welcome,
      token: this.token.current,
      askToken: async () => await this.getToken('refresh'),
      onToken: (replaced) => { this.token.current = replaced },
      onSignedOut: () => { this.signOut() },
      onReady: () => { this.options.onState({ status: 'open', userId: welcome.user_id, connectionId: welcome.connection_id }) }
    })
  }

  /** A connection or an attempt is over: what now? */
  private settle (because: Ending): void {
    if (this.session === null && because.name === 'connection_lost') this.options.eventTypes.noteUnexplained()
    this.session?.stop()
    this.session = this.connection = null
    this.ticket.noteEnd(because)
    if (because.reconnect === 'with a new token' && this.token.refuse()) return this.end(because)
    if (because.reconnect === 'no') return this.end(because)
    this.clock.ended()
    const retryInMs = this.clock.nextDelayMs(because)
    this.timer = setTimeout(() => { this.start() }, retryInMs)
    this.options.onState({ status: 'waiting', retryInMs, because })
  }

  private onOnline (): void {
    this.session?.probe()
    if (this.timer === undefined) return
    clearTimeout(this.timer)
    this.timer = setTimeout(() => { this.start() }, this.clock.onlineDelayMs())
  }
}
