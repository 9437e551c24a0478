import { askToken } from './ask-token.js'
import type { ClientSettings, TokenReason } from './client-options.js'
import type { ClientState } from './client-state.js'
import { finalEnding, ownEnding, type Ending } from './close-policy.js'
import { describeFrame, describeState } from './debug.js'
import type { EventTypes } from './event-types.js'
import type { ServerFrame, WelcomeFrame } from './frames.js'
import { openConnection, type Connection } from './connection.js'
import { createKeptPass, type KeptPass } from './kept-pass.js'
import { PresentedToken } from './presented-token.js'
import type { Recovery } from './recovery.js'
import type { Requests } from './requests.js'
import { RetryClock } from './retry-clock.js'
import { startSession, type Session } from './session.js'
import type { Denied } from './signals.js'
import { watchOnline } from './surroundings.js'
import { takeTicket, type TicketAnswer } from './take-ticket.js'
import type { Wanted } from './wanted.js'

/** Tickets that are tried before the token itself is sent. */
const MAX_TICKETS = 2

export interface ConnectionLoopOptions {
  readonly settings: ClientSettings
  readonly requests: Requests
  readonly wanted: Wanted
  readonly recovery: Recovery
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
  private readonly pass: KeptPass
  private readonly clock: RetryClock
  private readonly unwatch: () => void
  private connection: Connection | null = null
  private session: Session | null = null
  private asking: Promise<string | null> | null = null
  /** What is sent in place of the token now; null: the token itself. */
  private ticket: string | null = null
  /** Tickets refused one after the other: one may have come from another address than the socket, by IPv6 and by IPv4. */
  private ticketsRefused = 0
  /** Calls off the next attempt. */
  private cancel: (() => void) | undefined

  constructor (private readonly options: ConnectionLoopOptions) {
    this.pass = createKeptPass(options.settings.clock.now)
    this.clock = new RetryClock(options.settings)
    this.unwatch = watchOnline(() => { this.onOnline() })
  }

  start (): void {
    this.cancel = undefined
    this.attempt().catch((cause: unknown) => { if (!this.over.signal.aborted) this.settle(ownEnding('token_failed', cause)) })
  }

  end (because: Ending): void {
    if (this.over.signal.aborted) return
    this.over.abort()
    this.unwatch()
    this.cancel?.()
    this.options.requests.end()
    this.session?.stop()
    this.connection?.abandon()
    this.tell({ status: 'closed', because })
  }

  private tell (state: ClientState): void {
    this.options.settings.debug?.(describeState(state))
    this.options.onState(state)
  }

  /** One question at a time: what is being fetched for a connection that has ended meanwhile serves the next. */
  private async getToken (reason: TokenReason): Promise<string | null> {
    if (this.asking === null) this.options.settings.debug?.(`asks for a token: ${reason}`)
    this.asking ??= askToken(this.options.settings, reason, this.over.signal).finally(() => { this.asking = null })
    return await this.asking
  }

  private signOut (): void { this.end(ownEnding('signed_out')) }

  private async attempt (): Promise<void> {
    this.tell({ status: 'connecting' })
    if (this.over.signal.aborted) return
    const next = await this.getToken(this.token.reason)
    if (this.over.signal.aborted) return
    if (next === null) return this.signOut()
    const failed = this.token.present(next)
    if (failed !== null) return this.settle(failed)
    await this.open(next)
  }

  /** A resume pass goes with the token itself: asking for a ticket would count in the full window that the pass is there for. */
  private async askTicket (token: string, pass: string | null): Promise<TicketAnswer> {
    const { settings } = this.options
    if (settings.ticketsUrl === null || pass !== null || this.ticketsRefused >= MAX_TICKETS) return null
    return await takeTicket(settings.ticketsUrl, token, settings, this.over.signal)
  }

  private async open (token: string): Promise<void> {
    const { settings, eventTypes } = this.options
    const pass = this.pass.present()
    const answer = settings.ticketsUrl === null ? null : await this.askTicket(token, pass)
    if (this.over.signal.aborted) return
    this.clock.attempted()
    if (answer !== null && 'ending' in answer) return this.settle(answer.ending)
    this.ticket = answer?.ticket ?? null
    settings.debug?.(`opens ${settings.url.host}${settings.url.pathname} ${this.ticket === null ? 'by token' : 'by ticket'}`)
    this.connection = openConnection({
      settings,
      token,
      ticket: this.ticket,
      pass,
      since: this.options.recovery.open(token),
      eventTypes: eventTypes.inAddress(),
      onFrame: (frame) => { this.receive(frame) },
      onEnd: (ending) => { this.settle(ending) }
    })
  }

  private receive (frame: ServerFrame): void {
    this.options.settings.debug?.(`received ${describeFrame(frame)}`)
    if (frame.type === 'welcome' && this.session === null && this.connection !== null) this.session = this.greet(this.connection, frame)
    if (frame.type === 'closing') {
      this.pass.keep(frame.resume)
      this.clock.told(frame.reconnect_after_ms)
    }
    this.session?.receive(frame)
    // In the same turn: the events after an answer may follow in it.
    if (!this.options.recovery.receive(frame)) return
    if (frame.type === 'event' && !this.options.eventTypes.takes(frame.event)) return
    this.options.onFrame(frame)
  }

  /** Null: the client has ended, as it asks for more than this gateway takes. */
  private greet (connection: Connection, welcome: WelcomeFrame): Session | null {
    this.pass.drop()
    this.clock.opened()
    this.token.accepted()
    this.ticketsRefused = 0
    this.ticket = null
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
      onReady: () => { this.tell({ status: 'open', userId: welcome.user_id, connectionId: welcome.connection_id }) }
    })
  }

  /** A connection or an attempt is over: what now? */
  private settle (because: Ending): void {
    if (this.session === null && because.name === 'connection_lost') this.options.eventTypes.noteUnexplained()
    this.session?.stop()
    this.session = this.connection = null
    this.options.recovery.closed()
    this.pass.noteEnd(because)
    if (this.ticket !== null && because.name === 'invalid_token') return this.openAgain()
    this.ticket = null
    if (because.reconnect === 'with a new token' && this.token.refuse()) return this.end(because)
    if (because.reconnect === 'no') return this.end(because)
    this.clock.ended()
    const retryInMs = this.clock.nextDelayMs(because)
    this.startIn(retryInMs)
    this.tell({ status: 'waiting', retryInMs, because })
  }

  /** A ticket was refused, which says nothing against the token: it goes on at once, with one more ticket, and then without. */
  private openAgain (): void {
    this.ticket = null
    this.ticketsRefused++
    this.open(this.token.current).catch(() => { if (!this.over.signal.aborted) this.settle(ownEnding('connection_lost')) })
  }

  private onOnline (): void {
    this.session?.probe()
    if (this.cancel === undefined) return
    this.cancel()
    this.startIn(this.clock.onlineDelayMs())
  }

  private startIn (ms: number): void {
    this.cancel = this.options.settings.clock.after(ms, () => { this.start() })
  }
}
