import { waitAtMost } from './bounded-wait.js'
import type { RedisClient } from './client.js'
import { findMisuse, nameMisuse, WrongRedis } from './find-misuse.js'
import { openClient, type RedisPlace } from './open-client.js'
import { createRenewal } from './renewal.js'
import { revive } from './revive.js'
import type { OnSentinelError } from './telling-sentinels.js'
import { watchSilence } from './watch-silence.js'

export interface RedisTarget extends RedisPlace {
  /** How long one command may take, 1 or more; longer rejects. */
  readonly commandTimeoutMs?: number
  /** A server was reached that the settings are wrong for: once, until one is up. `reason` names the setting. */
  readonly onWrongRedis?: (reason: string) => void
  readonly onSentinelError?: OnSentinelError
  /** All connections are made anew, because probes fail on those that there are: at most once a minute. */
  readonly onRenew?: () => void
}

export interface RedisConnection {
  readonly commands: RedisClient
  /** Whether commands can be sent now. A Redis that hangs counts as up until its connection is given up. */
  isUp (): boolean
  /** Calls `listener` at each change of `isUp`; returns how to stop it. */
  onChange (listener: (up: boolean) => void): () => void
  /** Whether it is up, at the latest after `timeoutMs`. */
  waitUntilUp (timeoutMs: number): Promise<boolean>
  /** Why it is not up, as far as is known; null while it is. */
  lastError (): Error | null
  /**
   * Tells how a call went that shows whether Redis does its work. When such calls fail again and again, all connections are made
   * anew: names are looked up again, sentinels asked again, and those for subscriptions follow.
   */
  noteProbe (succeeded: boolean): void
  /** While `isNeeded` says so failed probes count for nothing: an answer that is late is waited for on the connections that there are. */
  keepWhile (isNeeded: () => boolean): void
  close (): Promise<void>
}

const COMMAND_TIMEOUT_MS = 1000
const SILENCE_MS = 5000
const CLOSE_TIMEOUT_MS = 1000
const TELL_RENEWAL_MS = 60_000
const monotonic = (): number => performance.now()

/**
 * Connects for a gateway: a command either goes out now or rejects, is never kept for later and never sent twice, and
 * reconnecting goes on for ever. Throws, without the URL in the message, when a URL cannot be read.
 */
export function connectRedis (target: RedisTarget): RedisConnection {
  const renewal = createRenewal((target.clusterUrls ?? []).length > 0, monotonic)
  let sentinelCause: Error | undefined
  const commandTimeoutMs = target.commandTimeoutMs ?? COMMAND_TIMEOUT_MS
  const commands = openClient(target, commandTimeoutMs, renewal.isWrongServer, (sentinel, error) => {
    sentinelCause = error
    target.onSentinelError?.(sentinel, error)
  })
  const stopReviving = revive(commands)
  const stopWatching = watchSilence(commands, Math.max(SILENCE_MS, 2 * commandTimeoutMs))
  let toldAtMs = -Infinity
  let isKept = (): boolean => false
  return {
    commands,
    ...watch(commands, target.onWrongRedis ?? (() => {}), () => sentinelCause),
    keepWhile (isNeeded) { isKept = isNeeded },
    noteProbe (succeeded) {
      if (!succeeded && isKept()) return
      if (!renewal.isDue(succeeded) || !renew(commands)) return
      if (monotonic() - toldAtMs < TELL_RENEWAL_MS) return
      toldAtMs = monotonic()
      target.onRenew?.()
    },
    async close () {
      stopReviving()
      stopWatching()
      await closeClient(commands)
    }
  }
}

/** False: there is no connection to leave. One that is being made needs no help, and to break it off would end the client. */
function renew (commands: RedisClient): boolean {
  const isOpen = commands.status === 'ready' || commands.status === 'connect'
  if (isOpen) commands.disconnect(true)
  return isOpen
}

type State = Pick<RedisConnection, 'isUp' | 'onChange' | 'waitUntilUp' | 'lastError'>

/** `sentinelCause`: what a Sentinel failed with last. The library tells it in words alone, without its code. */
function watch (commands: RedisClient, onWrongRedis: (reason: string) => void, sentinelCause: () => Error | undefined): State {
  const listeners = new Set<(up: boolean) => void>()
  let up = false
  let lastError: Error | null = null
  let told = ''
  let connection = 0

  const change = (isUp: boolean): void => {
    if (isUp) [lastError, told] = [null, '']
    if (isUp === up) return
    up = isUp
    for (const listener of [...listeners]) listener(isUp)
  }
  const fail = (error: unknown): void => {
    // That no sentinel helped is a summary: what each of them said came before.
    if (up || !(error instanceof Error) || error.message.startsWith('All sentinels are unreachable')) return
    lastError = nameMisuse(error)
    if (!(lastError instanceof WrongRedis) || lastError.message === told) return
    told = lastError.message
    onWrongRedis(told)
  }
  const look = async (): Promise<void> => {
    const looksAt = ++connection
    const misuse = await findMisuse(commands)
    if (looksAt !== connection) return
    if (misuse === null) return change(true)
    fail(misuse)
    // Nothing is to be asked there: each command would be refused as if it alone were wrong. It is looked at again a second later.
    commands.disconnect()
  }
  // Without a listener an 'error' event would end the process; what it says arrives with each command as well.
  commands.on('error', fail)
  commands.on('sentinelError', ({ message }: Error) => { fail(new Error(message, { cause: sentinelCause() })) })
  commands.on('ready', () => { void look() })
  for (const event of ['close', 'end', 'reconnecting']) {
    commands.on(event, () => {
      connection++
      change(false)
    })
  }
  const onChange = (listener: (isUp: boolean) => void): (() => void) => {
    listeners.add(listener)
    return () => { listeners.delete(listener) }
  }
  return {
    isUp: () => up,
    onChange,
    lastError: () => lastError,
    waitUntilUp: async (timeoutMs) => up || await new Promise((resolve) => {
      const finish = (): void => {
        clearTimeout(timer)
        stop()
        resolve(up)
      }
      const timer = setTimeout(finish, timeoutMs)
      const stop = onChange(finish)
    })
  }
}

async function closeClient (commands: RedisClient): Promise<void> {
  // QUIT lets what was sent be answered; a Redis that is away or hangs is left at once.
  await waitAtMost(commands.quit(), CLOSE_TIMEOUT_MS, 'QUIT').catch(() => {})
  commands.disconnect()
}
