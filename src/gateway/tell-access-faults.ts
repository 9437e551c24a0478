import type { Logger } from 'pino'
import { describeAccessFault, formatAccessFault, type AccessFault } from '../access/access-fault.js'
import type { Authorizer } from '../access/authorizer.js'
import { writeEvent } from '../observe/log/log.js'
import { createMinuteLines } from '../observe/minute-lines.js'

const monotonic = (): number => performance.now()

/** The fields by which a line says why. */
export function accessFaultFields ({ reason, code }: AccessFault): { readonly reason: string, readonly detail: string | undefined } {
  return { reason, detail: code ?? undefined }
}

/**
 * Writes down why an authorizer did not answer, wherever that was: an upgrade, a frame, a re-check. Each cause at first, then
 * once a minute. One that is unsafe, and one that is closing, are told of elsewhere. `now`: monotonic, in ms.
 */
export function tellAccessFaults (authorizer: Authorizer, log: Logger, now = monotonic): Authorizer {
  const lines = createMinuteLines(now)

  function tell (error: unknown): void {
    const fault = describeAccessFault(error)
    if (fault.reason === 'unsafe' || fault.reason === 'stopping') return
    lines.note(formatAccessFault(fault), 1, (count) => { writeEvent(log, { event: 'access.failed', ...accessFaultFields(fault), count }) })
  }

  return {
    local: authorizer.local,
    visible (identity, token, asked, options) {
      try {
        const visible = authorizer.visible(identity, token, asked, options)
        if (visible instanceof Promise) visible.catch(tell)
        return visible
      } catch (error) {
        tell(error)
        throw error
      }
    },
    forget: (userId) => { authorizer.forget(userId) },
    watchSafety: (onUnsafe) => { authorizer.watchSafety?.(onUnsafe) },
    async close () {
      lines.close()
      await authorizer.close()
    }
  }
}

/** What operators should look at, as it is met: each sentence at first, then once a minute. `now`: monotonic, in ms. */
export function createAccessWarnings (log: Logger, now = monotonic): { tell (reason: string): void, close (): void } {
  const lines = createMinuteLines(now)
  return {
    tell (reason) { lines.note(reason, 1, () => { writeEvent(log, { event: 'access.warning', reason }) }) },
    close: lines.close
  }
}
