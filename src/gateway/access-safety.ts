import type { Logger } from 'pino'
import type { Authorizer } from '../access/authorizer.js'
import { writeEvent } from '../observe/log/log.js'

/** How often a database that stays unsafe is told of, in ms. */
const REPEAT_MS = 60_000

/** Whether the back end that decides protects its rows, as far as is known. */
export interface AccessSafety {
  /** False: nobody is shown anything. */
  isSafe (): boolean
  /** `endAll` ends what was given, each time that the back end turns out to be unsafe. */
  watch (endAll: () => void): void
  close (): void
}

/** Watches an authorizer, and writes down what became of its back end's safety: at once, and again every minute while it is unsafe. */
export function watchAccessSafety (authorizer: Authorizer, log: Logger): AccessSafety {
  let reason: string | null = null
  let sinceMs = 0
  let timer: NodeJS.Timeout | undefined
  let endAll = (): void => {}

  const tell = (): void => { if (reason !== null) writeEvent(log, { event: 'access.unsafe', reason }) }

  function noteUnsafe (reasons: readonly string[]): void {
    if (reason === null) sinceMs = performance.now()
    reason = reasons.join('; ')
    tell()
    timer ??= setInterval(tell, REPEAT_MS).unref()
    endAll()
  }

  function noteSafe (): void {
    if (reason === null) return
    reason = null
    clearInterval(timer)
    timer = undefined
    writeEvent(log, { event: 'access.safe', duration_ms: Math.round(performance.now() - sinceMs) })
  }

  authorizer.watchSafety?.((reasons) => {
    if (reasons === null) noteSafe()
    else noteUnsafe(reasons)
  })
  return {
    isSafe: () => reason === null,
    watch (end) { endAll = end },
    close () { clearInterval(timer) }
  }
}
