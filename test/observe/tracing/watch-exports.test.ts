import t from 'tap'
import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace-base'
import { watchExports } from '../../../src/observe/tracing/watch-exports.js'

const SPANS = [{}, {}] as ReadableSpan[]

/** An exporter that ends each export as told, and what is said of it. */
function watch () {
  let nowMs = 0
  let outcome: Parameters<Parameters<SpanExporter['export']>[1]>[0] = { code: 0 }
  const told: unknown[] = []
  const { exporter, close } = watchExports({
    export (_spans, done) { done(outcome) },
    shutdown: async () => {}
  }, {
    onFailed: (...failure) => { told.push(failure) },
    onRestored: (...loss) => { told.push(loss) }
  }, () => nowMs)
  return {
    told,
    close,
    pass (ms: number) { nowMs += ms },
    send (error?: Error) {
      outcome = error === undefined ? { code: 0 } : { code: 1, error }
      let heard: unknown = null
      exporter.export(SPANS, (result) => { heard = result })
      return heard
    }
  }
}

const failure = (code: string | number, message = 'a peer\'s own words'): Error => Object.assign(new Error(message), { code })

t.test('a collector that takes no spans is told of once, and once when it takes them again', async (t) => {
  const { told, send, pass } = watch()
  send()
  t.same(told, [])
  t.match(send(failure('ECONNREFUSED')), { code: 1 }, 'the library hears of it as well')
  pass(30_000)
  send(failure(503))
  t.same(told, [['connection_refused', 'ECONNREFUSED']])
  pass(20_000)
  send()
  send()
  t.same(told.slice(1), [[4, 50_000]])
  send(failure(401))
  t.same(told.slice(2), [['refused', '401']])
})

t.test('of why it failed a word of ours is told, and a code, but nothing that the collector wrote', async (t) => {
  const wordsFor = (error: Error): unknown => {
    const { told, send } = watch()
    send(error)
    return told[0]
  }
  t.same(wordsFor(failure('ENOTFOUND')), ['name_not_found', 'ENOTFOUND'])
  t.same(wordsFor(failure('CERT_HAS_EXPIRED')), ['tls', 'CERT_HAS_EXPIRED'])
  t.same(wordsFor(failure('EWHATEVER')), ['unreachable', 'EWHATEVER'])
  t.same(wordsFor(new Error('Request timed out')), ['timeout', null])
})

t.test('the end waits for the last spans, but not for ever', async (t) => {
  const { told, close } = watch()
  await close(Promise.resolve(), 60_000)
  await close(Promise.reject(failure('ECONNREFUSED')), 60_000)
  t.same(told, [])
  await close(new Promise(() => {}), 1)
  t.same(told, [['timeout', null]])
})
