import { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace, TraceFlags, type Attributes, type Context } from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources'
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { VERSION } from '../../version.js'
import { readTraceparent } from '../../wire/traceparent.js'
import type { Tracer, TracerOptions } from './tracer.js'
import { watchExports } from './watch-exports.js'

/** How long the end of the process waits for the last spans. */
const CLOSE_MS = 2000
/** From here on a status is the server's fault (semantic conventions for HTTP server spans). */
const FIRST_ERROR_STATUS = 500

interface Written {
  readonly name: 'upgrade' | 'publish'
  readonly durationMs: number
  readonly traceparent: string | null
  readonly status: number | null
  readonly attributes: Attributes
}

/**
 * Makes what writes spans and sends them by OTLP over HTTP, as JSON. Headers, time-out, compression, sampler, sizes of queue and batch,
 * name and attributes of the service are read by the library itself, from its own variables of the environment. Nothing is
 * registered for the whole process: a program that embeds the gateway has spans of its own.
 */
export function createOtlpTracer (options: TracerOptions): Tracer {
  const exports = watchExports(new OTLPTraceExporter({ url: options.tracesUrl }), options)
  // Its queue is bounded: what comes while a collector hangs is dropped.
  const spanProcessors = [new BatchSpanProcessor(exports.exporter)]
  const provider = new BasicTracerProvider({ resource: describeProcess(options.node), spanProcessors })
  const tracer = provider.getTracer('portcullis', VERSION)

  function write ({ name, durationMs, traceparent, status, attributes }: Written): void {
    const endMs = Date.now()
    const startTime = endMs - durationMs
    const span = tracer.startSpan(name, { kind: SpanKind.SERVER, startTime, attributes }, toParent(traceparent))
    if (status !== null && status >= FIRST_ERROR_STATUS) span.setStatus({ code: SpanStatusCode.ERROR })
    span.end(endMs)
  }

  return {
    upgrade ({ durationMs, traceparent, status, ...upgrade }) {
      const { outcome, cause, path, connectionId } = upgrade
      const attributes = present({
        outcome: outcome === 'accepted' || outcome === 'aborted' ? outcome : 'refused',
        refusal: outcome === 'accepted' || outcome === 'aborted' ? null : outcome,
        cause: cause === '' ? null : cause,
        'http.request.method': 'GET',
        'http.route': path,
        'http.response.status_code': status,
        connection_id: connectionId
      })
      write({ name: 'upgrade', durationMs, traceparent, status, attributes })
    },
    publish ({ durationMs, traceparent, status, outcome, events, accepted }) {
      const attributes = present({
        outcome: outcome === 'accepted' ? outcome : 'refused',
        refusal: outcome === 'accepted' ? null : outcome,
        events,
        accepted,
        'http.request.method': 'POST',
        'http.route': '/v1/publish',
        'http.response.status_code': status
      })
      write({ name: 'publish', durationMs, traceparent, status, attributes })
    },
    async close () { await exports.close(provider.shutdown(), CLOSE_MS) }
  }
}

/** Without those that are null: an attribute that is not known is absent. */
function present (attributes: Readonly<Record<string, string | number | null>>): Attributes {
  return Object.fromEntries(Object.entries(attributes).filter(([, value]) => value !== null)) as Attributes
}

/** The service, by name and attributes of the operator's (`OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`) where there are some. */
function describeProcess (node: string) {
  const ours = resourceFromAttributes({ 'service.name': 'portcullis', 'service.version': VERSION, 'service.instance.id': node })
  return defaultResource().merge(ours).merge(detectResources({ detectors: [envDetector] }))
}

/** What a span belongs to; what is no `traceparent` counts as none. */
function toParent (text: string | null): Context {
  const traceparent = readTraceparent(text ?? undefined)
  if (traceparent === null) return ROOT_CONTEXT
  const [, traceId = '', spanId = '', flags = ''] = traceparent.split('-')
  const traceFlags = Number.parseInt(flags, 16) & TraceFlags.SAMPLED
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags, isRemote: true })
}
