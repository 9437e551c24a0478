import t from 'tap'
import { createOtlpTracer } from '../../../src/observe/tracing/otlp-tracer.js'
import { VERSION } from '../../../src/version.js'
import { startCollector } from '../../support/otlp-collector.js'

const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736'
const SPAN_ID = '00f067aa0ba902b7'
const UPGRADE = { cause: '', path: '/ws', durationMs: 12.5, traceparent: '', connectionId: null }
const open = (tracesUrl: string) =>
  createOtlpTracer({ tracesUrl, node: 'n-1', onFailed: () => { throw new Error('it failed') }, onRestored () {} })

t.test('a span says what became of an upgrade, and of whom it is not', async (t) => {
  const collector = await startCollector(t)
  const tracer = open(`${collector.endpoint}/v1/traces`)
  tracer.upgrade({ ...UPGRADE, outcome: 'accepted', status: 101, connectionId: 'c-1' })
  tracer.upgrade({ ...UPGRADE, outcome: 'invalid_token', cause: 'unknown_key', status: 401 })
  tracer.upgrade({ ...UPGRADE, outcome: 'aborted', status: null })
  tracer.upgrade({ ...UPGRADE, outcome: 'unavailable', status: 503, path: null })
  await tracer.close()
  t.match(collector.headers(), { method: 'POST', url: '/v1/traces', 'content-type': 'application/json' })
  const common = { 'http.request.method': 'GET', 'http.route': '/ws' }
  t.same(collector.spans.map(({ attributes }) => attributes), [
    { outcome: 'accepted', connection_id: 'c-1', 'http.response.status_code': 101, ...common },
    { outcome: 'refused', refusal: 'invalid_token', cause: 'unknown_key', 'http.response.status_code': 401, ...common },
    { outcome: 'aborted', ...common },
    { outcome: 'refused', refusal: 'unavailable', 'http.response.status_code': 503, 'http.request.method': 'GET' }
  ])
  t.same(collector.spans.map(({ status }) => status), [0, 0, 0, 2], 'a client\'s mistake is no error of ours')
  t.ok(collector.spans.every(({ name, durationMs, parentSpanId }) => name === 'upgrade' && Math.abs(durationMs - 12.5) < 0.01 && !parentSpanId))
  t.match(collector.spans[0]?.resource, { 'service.name': 'portcullis', 'service.version': VERSION, 'service.instance.id': 'n-1' })
})

t.test('a span of a publication belongs to the caller\'s trace, recorded or not as it says', async (t) => {
  const collector = await startCollector(t)
  const tracer = open(`${collector.endpoint}/v1/traces`)
  const span = { outcome: 'accepted', status: 202, events: 3, accepted: 2, durationMs: 1 } as const
  for (const traceparent of [`00-${TRACE_ID}-${SPAN_ID}-01`, `00-${TRACE_ID}-${SPAN_ID}-00`, 'garbage', null]) tracer.publish({ ...span, traceparent })
  await tracer.close()
  t.match(collector.spans[0], { name: 'publish', traceId: TRACE_ID, parentSpanId: SPAN_ID, attributes: { outcome: 'accepted', events: 3, accepted: 2 } })
  t.same(collector.spans.map(({ traceId }) => traceId === TRACE_ID), [true, false, false])
})
