import type { ClientSettings } from './client-options.js'
import type { EventTypes } from './event-types.js'
import type { ServerFrame, WelcomeFrame } from './frames.js'
import type { Connection } from './connection.js'
import { createPause } from './pause.js'
import type { Recovery } from './recovery.js'
import type { Requests } from './requests.js'
import { resubscribe } from './resubscribe.js'
import type { Denied } from './signals.js'
import { createSilenceWatch } from './silence-watch.js'
import { createTokenRefresh } from './token-refresh.js'
import type { Wanted } from './wanted.js'

export interface SessionOptions {
  readonly settings: ClientSettings
  readonly connection: Connection
  readonly welcome: WelcomeFrame
  readonly token: string
  readonly requests: Requests
  readonly wanted: Wanted
  readonly recovery: Recovery
  readonly eventTypes: EventTypes
  readonly askToken: () => Promise<string | null>
  readonly onToken: (token: string) => void
  readonly onSignedOut: () => void
  readonly onDenied: (denied: Denied) => void
  /** All that was subscribed is confirmed. */
  readonly onReady: () => void
}

/** What goes on from `welcome` to the end of one connection. */
export interface Session {
  receive (frame: ServerFrame): void
  /** The network is there again. */
  probe (): void
  stop (): void
}

/** Tells the gateway which events are wanted, where the address did not. */
async function narrow ({ eventTypes, requests }: SessionOptions): Promise<void> {
  const names = eventTypes.owed()
  if (names === null) return
  await requests.ask({ type: 'subscribe', event_types: names }, 'now')
  eventTypes.confirm(names)
}

export function startSession (options: SessionOptions): Session {
  const { settings, connection, welcome, requests, wanted, recovery } = options
  const ended = new AbortController()
  requests.attach({ send: connection.send, maxFrameBytes: welcome.limits.frame_bytes })
  const silence = createSilenceWatch({
    keepAliveMs: settings.keepAliveMs,
    clock: settings.clock,
    ping: async () => await requests.ask({ type: 'ping' }, 'now'),
    onSilent: () => { connection.drop('silent') }
  })
  const refresh = createTokenRefresh({
    token: options.token,
    time: welcome.time,
    beforeMs: settings.refreshBeforeMs,
    ask: options.askToken,
    present: async (token) => {
      const answer = await requests.ask({ type: 'refresh', token }, 'now')
      return answer.type === 'refreshed' ? answer.expires_at : ''
    },
    onToken: options.onToken,
    onSignedOut: options.onSignedOut,
    clock: settings.clock
  })
  refresh.start(welcome.expires_at)
  const restored = narrow(options).then(async () => {
    await resubscribe({
      wanted,
      recovery,
      last: settings.last,
      maxIds: welcome.limits.filter_ids,
      ask: async (frame, asked) => await requests.ask(frame, 'now', asked),
      onDenied: options.onDenied,
      pause: createPause(settings.clock, ended.signal)
    })
  })
  restored.then(
    () => {
      if (ended.signal.aborted) return
      requests.release()
      options.onReady()
    },
    // When the connection has ended, this does nothing.
    () => { connection.drop('no_answer') }
  )
  return {
    receive (frame) {
      silence.heard()
      requests.answer(frame)
      if (frame.type === 'expiring') refresh.warn(frame.expires_at)
    },
    probe () { silence.probe() },
    stop () {
      ended.abort()
      silence.stop()
      refresh.stop()
      requests.detach()
    }
  }
}
