import t from 'tap'
import { SYSTEM_CLOCK } from '../../packages/client/src/clock.js'
import { createRequests, type Outlet, type Requests } from '../../packages/client/src/requests.js'
import type { Frame } from '../support/client.js'
import { offenders } from '../support/offenders.js'
import { reasonOf } from './observed-client.js'

/** An outlet that keeps what was written. */
function createOutlet (maxFrameBytes = 1000): Outlet & { written: Frame[] } {
  const written: Frame[] = []
  return { written, maxFrameBytes, send: (text) => { written.push(JSON.parse(text) as Frame) } }
}
const make = (more = {}): Requests => createRequests({ maxPending: 3, timeoutMs: 60_000, clock: SYSTEM_CLOCK, ...more })
const send = (requests: Requests, data: unknown): Promise<unknown> => requests.ask({ type: 'send', to: 'agent:a1', data }, 'once')
const read = (requests: Requests, id: string): Promise<unknown> => requests.ask({ type: 'subscribe', agent_ids: [id] }, 'repeatable')
const sent = (requests: Requests, frame: Frame | undefined): boolean => requests.answer({ type: 'sent', id: String(frame?.['id']) })

t.test('what is asked without a connection waits, in order, up to the bound, and goes out with it', async (t) => {
  const requests = make()
  const asked = [send(requests, 1), read(requests, 'a1'), send(requests, 2)]
  t.equal(await reasonOf(send(requests, 3)), 'queue_full')
  const outlet = createOutlet()
  requests.attach(outlet)
  t.same(outlet.written, [], 'not before all is subscribed again')
  requests.release()
  t.match(outlet.written, [{ type: 'send', data: 1 }, { type: 'subscribe' }, { type: 'send', data: 2 }])
  for (const frame of outlet.written) sent(requests, frame)
  t.equal((await Promise.all(asked)).length, 3)
  t.equal(sent(requests, outlet.written[0]), false, 'an answer is taken once')
})

t.test('a few large requests fill the queue as well', async (t) => {
  const requests = make()
  const large = send(requests, 'x'.repeat(9_000_000))
  t.equal(await reasonOf(send(requests, 1)), 'queue_full')
  requests.end()
  t.equal(await reasonOf(large), 'closed')
})

t.test('after a lost connection a send fails, as it may have been stored; a subscribe is repeated; what was not sent still waits', async (t) => {
  const requests = make()
  const first = createOutlet()
  requests.attach(first)
  requests.release()
  const lost = send(requests, 1)
  const repeated = read(requests, 'a1')
  requests.detach()
  const late = send(requests, 2)
  t.equal(await reasonOf(lost), 'connection_lost')
  const second = createOutlet()
  requests.attach(second)
  requests.release()
  t.match(second.written, [{ type: 'subscribe', agent_ids: ['a1'] }, { type: 'send', data: 2 }])
  requests.answer({ type: 'subscribed', id: String(second.written[0]?.['id']), agent_ids: ['a1'], task_ids: [], positions: undefined })
  sent(requests, second.written[1])
  t.match(await repeated, { type: 'subscribed' })
  await late
})

t.test('an error answers with the gateway\'s name and delay', async (t) => {
  const requests = make()
  const outlet = createOutlet()
  requests.attach(outlet)
  requests.release()
  const asked = send(requests, 1)
  requests.answer({ type: 'error', id: String(outlet.written[0]?.['id']), error: 'overloaded', message: 'full', retry_after_ms: 5 })
  t.match(await asked.catch((error: unknown) => error), { name: 'RequestError', reason: 'overloaded', message: 'full', retryAfterMs: 5 })
  t.equal(requests.answer({ type: 'error', error: 'Too Many Requests', code: 429, retry_after_ms: 1 }), false)
})

t.test('a frame that the gateway would end the connection for is not sent: bytes count, not characters', async (t) => {
  const requests = make()
  const outlet = createOutlet(200)
  requests.attach(outlet)
  requests.release()
  t.equal(await reasonOf(send(requests, 'é'.repeat(90))), 'frame_too_large')
  t.same(outlet.written, [])
  const fits = send(requests, 'e'.repeat(90))
  sent(requests, outlet.written[0])
  await fits
})

t.test('what is never answered fails by the time limit, and makes room', async (t) => {
  const requests = make({ maxPending: 1, timeoutMs: 5 })
  t.equal(await reasonOf(send(requests, 1)), 'timeout')
  t.equal(await reasonOf(send(requests, 2)), 'timeout')
})

t.test('after the end nothing is taken and nothing waits', async (t) => {
  const requests = make()
  const waiting = [send(requests, 1), read(requests, 'a1')]
  requests.end()
  t.same(await offenders(waiting, async one => await reasonOf(one) === 'closed'), [])
  t.equal(await reasonOf(send(requests, 1)), 'closed')
})
