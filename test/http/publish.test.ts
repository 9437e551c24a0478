import t from 'tap'
import type { Publishing } from '../../src/bus/publishing.js'
import type { Publication, Published } from '../../src/history/history.js'
import type { Answer } from '../../src/http/answers.js'
import { createPublishRoutes } from '../../src/http/routes/publish.js'
import { createSecret } from '../../src/http/secrets.js'
import type { PublishSpan } from '../../src/observe/tracing/tracer.js'
import { OperationFault } from '../../src/operation-fault.js'
import type { CallOutcome } from '../../src/redis/call-outcome.js'
import { offenders } from '../support/offenders.js'

const SECRET = 'a-publish-key-of-at-least-32-bytes'
const MOST = 1000

interface Tracing { readonly tracesEvents?: boolean, readonly traceparent?: string, readonly spans?: PublishSpan[] }

async function serve (publishing: Publishing, body: string, { tracesEvents = false, traceparent, spans }: Tracing = {}): Promise<Answer> {
  const tracer = spans === undefined ? null : { publish (span: PublishSpan) { spans.push(span) }, upgrade () {}, close: async () => {} }
  const [route] = createPublishRoutes({ publishing, secret: createSecret('publish', [SECRET], () => {}), tracer, tracesEvents })
  if (route === undefined) throw new Error('no route')
  return await route.serve({
    params: {},
    query: {},
    hasPlainPlus: false,
    viaTrustedProxy: false,
    headers: new Map([['x-publish-key', SECRET], ...(traceparent === undefined ? [] : [['traceparent', traceparent] as const])]),
    address: { ip: '192.0.2.1', key: '192.0.2.1' },
    readBody: async () => ({ ok: true, bytes: Buffer.from(body) })
  })
}

type Taken = Published | null | CallOutcome

/** The route over a store that does with each event as `take` says: a position, or a failure with this outcome. */
function open (take: (publication: Publication, place: number) => Taken, knowsIds = true) {
  const asked: Publication[][] = []
  const publishing: Publishing = {
    knowsIds,
    async publish (publications) {
      asked.push([...publications])
      return await Promise.allSettled(publications.map(async (publication, place) => {
        const taken = take(publication, place)
        if (typeof taken === 'string') throw new OperationFault('Redis cannot do it now', taken)
        return taken
      }))
    }
  }
  const publish = async (body: string, tracing?: Tracing): Promise<Answer> => await serve(publishing, body, tracing)
  return { asked, publish, publishJson: async (body: unknown, tracing?: Tracing) => await publish(JSON.stringify(body), tracing) }
}
const numbered = (): ((publication: Publication) => Published) => {
  let offset = 0
  return () => ({ epoch: 'e', offset: ++offset, isDuplicate: false })
}
const EVENT = { topic: 'agent:a1', event: 'e', data: 1 }
const messageOf = ({ body }: Answer): string => String((body as { message?: string }).message)

const TRACE = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'

t.test('a request\'s traceparent goes with each of its events, where that is wanted; what is none goes nowhere', async (t) => {
  const { asked, publishJson } = open(numbered())
  const tracesOf = async (tracing: Tracing): Promise<unknown[]> => {
    t.equal((await publishJson([EVENT, EVENT], tracing)).status, 202)
    return (asked.pop() ?? []).map(({ trace }) => trace)
  }
  t.same(await tracesOf({ tracesEvents: true, traceparent: TRACE }), [TRACE, TRACE])
  t.same(await tracesOf({ traceparent: TRACE }), [undefined, undefined])
  t.same(await tracesOf({ traceparent: TRACE, spans: [] }), [undefined, undefined], 'nor where spans are written')
  const wrong = ['', 'x', TRACE.toUpperCase(), `${TRACE}-more`, `${TRACE}, ${TRACE}`, TRACE.replace('00', 'ff'), `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`]
  t.same(await offenders(wrong, async traceparent => String(await tracesOf({ tracesEvents: true, traceparent })) === ','), [])
})

t.test('a request has one span, which says what became of its events', async (t) => {
  const spans: PublishSpan[] = []
  const { publishJson } = open(({ id }) => id === 'lost' ? 'unknown' : id === 'away' ? 'undone' : null)
  await publishJson(EVENT, { spans, traceparent: TRACE })
  await publishJson([EVENT, { ...EVENT, topic: 'nobody' }, { ...EVENT, id: 'lost' }], { spans, traceparent: 'x' })
  await publishJson({ ...EVENT, id: 'away' }, { spans })
  t.match(spans, [
    { outcome: 'accepted', status: 202, events: 1, accepted: 1, traceparent: TRACE },
    { outcome: 'accepted', status: 202, events: 3, accepted: 1, traceparent: null },
    { outcome: 'unavailable', status: 503, events: 1, accepted: 0, traceparent: null }
  ])
  t.ok(spans.every(({ durationMs }) => durationMs >= 0 && durationMs < 60_000))
})

t.test('one event is answered with its position, and one that was published before is told as such', async (t) => {
  const { asked, publishJson } = open(({ id }) => ({ epoch: 'ab-c', offset: 7, isDuplicate: id === 'again' }))
  t.same(await publishJson(EVENT), { status: 202, body: { accepted: true, pos: 'ab-c:7' } })
  t.same(await publishJson({ ...EVENT, id: 'again' }), { status: 202, body: { accepted: true, pos: 'ab-c:7', duplicate: true } })
  t.same(asked.flat().map(({ id }) => id), [null, 'again'])
})

t.test('a bus of the program\'s own gives no position', async (t) => {
  const { publishJson } = open(() => null, false)
  t.same(await publishJson({ ...EVENT, id: 'x' }), { status: 202, body: { accepted: true } })
  t.same(await publishJson([EVENT]), { status: 202, body: [{ accepted: true }] })
})

t.test('an id has 1 to 64 characters, and no half of a surrogate pair', async (t) => {
  const { publish, publishJson } = open(numbered())
  const taken = ['x', 'x'.repeat(64), '\u{1f600}'.repeat(32), 'ü', '\u0000', '"', 'a b']
  t.same(await offenders(taken, async id => (await publishJson({ ...EVENT, id })).status === 202), [])
  const refused = ['""', `"${'x'.repeat(65)}"`, 'null', '1', 'true', '[]', '["x"]', '{}', '"\\ud800"', '"x\\udc00"', '"\\udc00\\ud800"']
  t.same(await offenders(refused, async id => (await publish(`{"topic":"agent:a1","event":"e","data":1,"id":${id}}`)).status === 400), [])
  t.same(await offenders(refused, async (id) => {
    const { status, body } = await publish(`[{"topic":"agent:a1","event":"e","data":1,"id":${id}},{"topic":"agent:a1","event":"e","data":1}]`)
    const [first, second] = body as ReadonlyArray<{ accepted: boolean, error?: string }>
    return status === 202 && first?.accepted === false && first.error === 'bad_request' && second?.accepted === true
  }), [])
})

t.test('an array is answered in order, each event by itself, and only what can be published is asked for', async (t) => {
  const { asked, publish } = open(numbered())
  const deep = `{"topic":"agent:a1","event":"e","data":${'['.repeat(129)}${']'.repeat(129)}}`
  const { status, body } = await publish(`[
    {"topic":"agent:a1","event":"one","data":{"b":1, "a":9007199254740993}}, null, 5, "x", [], [{"topic":"agent:a1","event":"e","data":1}],
    {}, {"topic":"room:1","event":"e","data":1}, {"topic":"user:a%7Cb","event":"e","data":1}, ${deep}, {"topic":["agent:a1"],"event":"e","data":1},
    {"topic":"agent:a1","event":"","data":1}, {"topic":"agent:a1","event":"\\ud800","data":1}, {"topic":"agent:a1","event":"e"},
    {"data":null,"topic":"user:\\ud800","event":"two"}, {"topic":"task:x","topic":"task:t1","event":"three","data":[],"data":"\\u00e9","more":{}}
  ]`)
  t.equal(status, 202)
  const answers = body as ReadonlyArray<{ accepted: boolean, pos?: string, error?: string, message?: string }>
  t.same(answers.map(({ accepted, pos, error }) => accepted ? pos : error), ['e:1', ...Array<string>(13).fill('bad_request'), 'e:2', 'e:3'])
  t.match(answers[8]?.message, /user:a\|b/, 'the plain form of a percent-encoded topic is named')
  t.match(answers[9]?.message, /nested too deeply/)
  t.match(answers[1]?.message, /wanted: topic \(agent:<id>, task:<id> or user:<id>\)/)
  t.equal(asked.length, 1, 'all of them are asked for at once')
  t.same(asked[0]?.map(({ topic, event, data }) => [topic, event, String(data)]), [
    ['agent:a1', 'one', '{"b":1, "a":9007199254740993}'], ['user:\ud800', 'two', 'null'], ['task:t1', 'three', '"\\u00e9"']
  ])
})

t.test('an array of which nothing can be published is answered all the same, and nothing is asked', async (t) => {
  const { asked, publish } = open(numbered())
  t.match(await publish('[null]'), { status: 202, body: [{ accepted: false, error: 'bad_request' }] })
  t.same(asked, [])
})

t.test('an array that is empty, too long or no JSON is refused as a whole, and nothing of it is published', async (t) => {
  const { asked, publish, publishJson } = open(numbered())
  t.match(await publishJson(Array(MOST).fill(EVENT)), { status: 202, body: { length: MOST } })
  asked.length = 0
  const whole = JSON.stringify([EVENT, EVENT])
  const bodies = ['[]', ' [ ] ', JSON.stringify(Array(MOST + 1).fill(EVENT)), JSON.stringify(Array(MOST + 1).fill(null)), whole.slice(0, -1), `${whole}x`, `${whole.slice(0, -1)},]`,
    whole.replace('},', '}'), `[${whole},01]`, '[', `[{"topic":"agent:a1","event":"e","data":1},{"topic":"agent:a1","event":"e","data":${'['.repeat(200_000)}]`]
  t.same(await offenders(bodies, async (body) => {
    const { status, body: answer } = await publish(body)
    return status === 400 && (answer as { error: string }).error === 'bad_request'
  }), [])
  t.match(messageOf(await publish('[]')), /one event at least/)
  t.match(messageOf(await publishJson(Array(MOST + 1).fill(EVENT))), /at most 1000 events/)
  t.same(asked, [])
})

t.test('where the store fails the answer says how it stands with each event, and what to do', async (t) => {
  const failing = (outcome: CallOutcome, knowsIds = true) => open(() => outcome, knowsIds)
  const texts: ReadonlyArray<readonly [ReturnType<typeof open>, object, RegExp]> = [
    [failing('undone'), EVENT, /^Redis cannot do it now; the event was not delivered$/],
    [failing('refused'), EVENT, /^Redis cannot do it now; the event was not delivered$/],
    [failing('unknown'), EVENT, /; the event may have been delivered, and publishing it again may deliver it twice: give events an id, and ask again with the same one$/],
    [failing('unknown'), { ...EVENT, id: 'x' }, /; the event may have been delivered: ask again with the same id, and it is published once$/],
    [failing('unknown', false), { ...EVENT, id: 'x' }, /; the event may have been delivered, and publishing it again may deliver it twice$/]
  ]
  for (const [{ publishJson }, event, text] of texts) {
    const answer = await publishJson(event)
    t.match(answer, { status: 503, body: { error: 'unavailable', retry_after_s: 1 }, headers: { 'Retry-After': '1' } })
    t.match(messageOf(answer), text)
  }
})

t.test('an array is 503 only if none of it could be tried', async (t) => {
  const outcomes = async (...takes: readonly Taken[]): Promise<Answer> =>
    await open((_, place) => takes[place] ?? null).publishJson(takes.map(() => EVENT))
  t.match(await outcomes('undone', 'undone'), { status: 503, body: { error: 'unavailable', message: /the event was not delivered$/ } })
  t.match(await open(() => 'undone').publishJson([null, EVENT]), { status: 503 }, 'what is malformed was not tried either')
  const tried: ReadonlyArray<readonly Taken[]> = [['undone', 'unknown'], ['refused', 'undone'], ['unknown', 'unknown'], ['undone', { epoch: 'e', offset: 1, isDuplicate: false }]]
  for (const takes of tried) {
    const { status, body } = await outcomes(...takes)
    t.equal(status, 202)
    t.same((body as ReadonlyArray<{ accepted: boolean, error?: string }>).map(({ accepted, error }) => accepted || error), takes.map(taken => typeof taken === 'string' ? 'unavailable' : true))
  }
})

t.test('a store that fails as a whole has failed for each', async (t) => {
  const broken: Publishing = { knowsIds: true, publish: async () => { throw new OperationFault('no worker answers', 'undone') } }
  const short: Publishing = { knowsIds: true, publish: async () => [] }
  for (const [publishing, text] of [[broken, /^no worker answers; the event was not delivered$/], [short, /a fault of the gateway/]] as const) {
    const answer = await serve(publishing, JSON.stringify(EVENT))
    t.equal(answer.status, 503)
    t.match(messageOf(answer), text)
  }
})
