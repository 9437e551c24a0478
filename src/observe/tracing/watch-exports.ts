import type { SpanExporter } from '@opentelemetry/sdk-trace-base'
import { steadyNow } from '../../clocks.js'
import { findErrorCode } from '../../error-code.js'
import { findNetworkFault } from '../../network-fault.js'
import type { TracerOptions } from './tracer.js'

export interface WatchedExports {
  /** Sends as the exporter does, and hears how that went. */
  readonly exporter: SpanExporter
  /** Waits for the end of the exporter, `withinMs` at most; what is lost then is told as a failure. Never rejects. */
  close (shutdown: Promise<void>, withinMs: number): Promise<void>
}

/** `ExportResultCode.SUCCESS`: its package is no dependency of ours. */
const SUCCESS = 0

/**
 * Tells of a collector that takes no spans: once, however many it does not take, and once when it does again. What the library itself
 * would say of each goes nowhere.
 */
export function watchExports (
  exporter: SpanExporter, { onFailed, onRestored }: Pick<TracerOptions, 'onFailed' | 'onRestored'>, now = steadyNow
): WatchedExports {
  let failing: { readonly sinceMs: number, spans: number } | null = null

  function fail (spans: number, reason: string, detail: string | null): void {
    if (failing === null) onFailed(reason, detail)
    failing ??= { sinceMs: now(), spans: 0 }
    failing.spans += spans
  }
  function succeed (): void {
    if (failing !== null) onRestored(failing.spans, now() - failing.sinceMs)
    failing = null
  }

  return {
    exporter: {
      export (spans, done) {
        exporter.export(spans, (result) => {
          if (result.code === SUCCESS) succeed()
          else fail(spans.length, ...nameFailure(result.error))
          done(result)
        })
      },
      forceFlush: async () => { await exporter.forceFlush?.() },
      shutdown: async () => { await exporter.shutdown() }
    },
    async close (shutdown, withinMs) {
      let timer: NodeJS.Timeout | undefined
      const late = new Promise<'late'>((resolve) => { timer = setTimeout(resolve, withinMs, 'late') })
      // A failure has been told where it was heard.
      if (await Promise.race([shutdown.catch(() => {}), late]) === 'late') fail(0, 'timeout', null)
      clearTimeout(timer)
    }
  }
}

/** Why a collector did not take spans, as the log has it: of what it answered the status alone. */
function nameFailure (error: (Error & { readonly code?: unknown }) | undefined): [reason: string, detail: string | null] {
  if (typeof error?.code === 'number') return ['refused', String(error.code)]
  const code = findErrorCode(error)
  return [findNetworkFault(error, code) ?? (code === null ? 'timeout' : 'unreachable'), code]
}
