import { askToken } from './ask-token.js'
import type { ClientSettings, TokenReason } from './client-options.js'
import { ownEnding, type Ending } from './close-policy.js'
import type { Ids, ServerFrame, WelcomeFrame } from './frames.js'
import { createKeptTicket } from './kept-ticket.js'
import { openLink, type Link } from './link.js'
import { reconnectDelayMs } from './reconnect-delay.js'
import type { Requests } from './requests.js'
import type { Denied } from './resubscribe.js'
import { startSession, type Session } from './session.js'
import { isOnline, watchOnline } from './surroundings.js'
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
  readonly eventTypes: () => Ids
  readonly onState: (state: ClientState) => void
  readonly onFrame: (frame: ServerFrame) => void
  readonly onDenied: (denied: Denied) => void
}

export interface ConnectionLoop {
  start (): void
  end (ending: Ending): void
}

/** Tokens refused one after the other before the client gives up: the user has to sign in again. */
const MAX_REFUSED_TOKENS = 5

/** One connection after the other, as the gateway's closes allow it. */
export function createConnectionLoop (options: ConnectionLoopOptions): ConnectionLoop {
  const { settings, requests, onState } = options
  const over = new AbortController()
  let link: Link | null = null
  let session: Session | null = null
  let timer: ReturnType<typeof setTimeout> | undefined
  let token = ''
  /** The token that was refused last: it is not presented again. */
  let refusedToken: string | null = null
  let refusedTokens = 0
  let failures = 0
  let openedAtMs = Infinity
  const ticket = createKeptTicket()
  /** When the last `closing` frame allows to come back; null once an attempt was made. */
  let reconnectAtMs: number | null = null
  let allowedAtMs = 0
  const unwatch = watchOnline(onOnline)

  function end (because: Ending): void {
    if (over.signal.aborted) return
    over.abort()
    unwatch()
    clearTimeout(timer)
    requests.end()
    session?.stop()
    link?.abandon()
    onState({ status: 'closed', because })
  }
  const getToken = async (reason: TokenReason): Promise<string | null> =>
    await askToken(settings.token, reason, settings.timeoutMs, over.signal)
  const signOut = (): void => { end(ownEnding('signed_out')) }

  async function attempt (): Promise<void> {
    onState({ status: 'connecting' })
    if (over.signal.aborted) return
    const next = await getToken(refusedToken === null ? 'connect' : 'refused')
    if (over.signal.aborted) return
    if (next === null) return signOut()
    if (next === refusedToken) return settle({ ...ownEnding('token_failed'), reconnect: 'with a new token' })
    token = next
    reconnectAtMs = null
    link = openLink({ settings, token, ticket: ticket.present(), eventTypes: options.eventTypes(), onFrame: receive, onEnd: settle })
  }
  function tryNow (): void {
    timer = undefined
    attempt().catch(() => { if (!over.signal.aborted) settle(ownEnding('token_failed')) })
  }

  function receive (frame: ServerFrame): void {
    if (frame.type === 'welcome' && session === null && link !== null) session = greet(link, frame)
    if (frame.type === 'closing') {
      ticket.keep(frame.resume)
      reconnectAtMs = performance.now() + Math.max(0, frame.reconnect_after_ms)
    }
    session?.receive(frame)
    options.onFrame(frame)
  }
  function greet (to: Link, welcome: WelcomeFrame): Session {
    ticket.drop()
    openedAtMs = performance.now()
    refusedToken = null
    refusedTokens = 0
    return startSession({
      ...options,
      link: to,
      welcome,
      token,
      askToken: async () => await getToken('refresh'),
      onToken: (replaced) => { token = replaced },
      onSignedOut: signOut,
      onReady: () => { onState({ status: 'open', userId: welcome.user_id, connectionId: welcome.connection_id }) }
    })
  }

  /** A connection or an attempt is over: what now? */
  function settle (because: Ending): void {
    session?.stop()
    session = link = null
    ticket.noteEnd(because)
    if (because.reconnect === 'with a new token') {
      refusedToken = token
      if (++refusedTokens >= MAX_REFUSED_TOKENS) return end(because)
    }
    if (because.reconnect === 'no') return end(because)
    if (performance.now() - openedAtMs >= settings.stableMs) failures = 0
    openedAtMs = Infinity
    waitThenTry(because)
  }
  function waitThenTry (because: Ending): void {
    const now = performance.now()
    const closingMs = reconnectAtMs === null ? 0 : Math.max(0, reconnectAtMs - now)
    const toldMs = Math.max(closingMs, because.retryAfterMs ?? 0)
    const delayMs = reconnectDelayMs({
      toldMs, isSpread: closingMs > 0, failures: failures++, backoff: settings.backoff, random: Math.random()
    })
    const retryInMs = isOnline() ? delayMs : Math.max(delayMs, settings.backoff.capMs)
    allowedAtMs = now + toldMs
    timer = setTimeout(tryNow, retryInMs)
    onState({ status: 'waiting', retryInMs, because })
  }
  function onOnline (): void {
    session?.probe()
    if (timer === undefined) return
    clearTimeout(timer)
    const spreadMs = Math.random() * settings.backoff.baseMs
    timer = setTimeout(tryNow, Math.max(0, allowedAtMs - performance.now()) + spreadMs)
  }
  return { start: tryNow, end }
}
