import type { Config } from '../config/config.js'
import { toTenths } from '../observe/lines.js'
import { writeEvent } from '../observe/log/log.js'
import type { CreateTracer, Tracer } from '../observe/tracing/tracer.js'
import type { ProcessLog } from './process-log.js'

/** Opens what writes the spans of one process; null where nothing was loaded for it. */
export function openTracer (createTracer: CreateTracer | null, { tracing }: Config, { log, node }: ProcessLog): Tracer | null {
  const { tracesUrl } = tracing
  if (createTracer === null || tracesUrl === null) return null
  return createTracer({
    tracesUrl,
    node,
    onFailed: (reason, detail) => { writeEvent(log, { event: 'traces.failed', reason, url: tracesUrl, detail: detail ?? undefined }) },
    onRestored: (spans, durationMs) => { writeEvent(log, { event: 'traces.restored', spans, duration_ms: toTenths(durationMs) }) }
  })
}
