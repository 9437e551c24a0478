import fc from 'fast-check'
import type { Test } from 'tap'
import type { Bus, BusEvent, OnBusEvent } from '../../src/bus/bus.js'
import { JsonText } from '../../src/wire/json-text.js'
import { until } from '../support/until.js'

/** JSON that `JSON.stringify(JSON.parse(…))` would change. */
export const SPELLINGS = [
  '{"id":9007199254740993}', '1e400', '-0', '1.10', '[1E+2,0.1e-7]', '{"b":1,"a":2,"2":0,"1":0}', '{"a":1,"a":2}', '{ "a" :\n[ 1 ,\t2 ] }',
  '"\\u0041\\/\\u00e9\\ud83d\\ude00\\ud800"', '"é\u2028😀"', '{"__proto__":{"x":1}}'
]

export interface Heard {
  readonly topic: string
  readonly event: BusEvent
}

/** What every bus promises. `open` makes a bus of its own on the same back end at each call. */
export function testBus (t: Test, open: (t: Test, onEvent: OnBusEvent) => Promise<Bus>): void {
  async function openHeard (t: Test): Promise<{ bus: Bus, heard: Heard[] }> {
    const heard: Heard[] = []
    return { bus: await open(t, (topic, event) => { heard.push({ topic, event }) }), heard }
  }
  const numbers = (heard: readonly Heard[], topic: string): unknown[] =>
    heard.filter((one) => one.topic === topic).map(({ event }) => JSON.parse(String(event.data)) as unknown)

  t.test('every event that is published after the subscription arrives, in order and once', async (t) => {
    const { bus, heard } = await openHeard(t)
    await Promise.all(['agent:a', 'task:t:1', 'user:kc:é|%'].map(async (topic) => { await bus.subscribe(topic) }))
    const all = Array.from({ length: 500 }, (_, n) => n)
    const sent = all.flatMap((n) => ['agent:a', 'task:t:1', 'user:kc:é|%'].map(async (topic) => { await bus.publish(topic, { event: 'n', data: n }) }))
    await Promise.all(sent)
    await until('all arrived', () => heard.length >= 1500)
    for (const topic of ['agent:a', 'task:t:1', 'user:kc:é|%']) t.same(numbers(heard, topic), all, topic)
  })

  t.test('its functions may be passed on by themselves', async (t) => {
    const { bus, heard } = await openHeard(t)
    const { subscribe, unsubscribe, publish } = bus
    for (let n = 0; n < 2; n++) await subscribe('agent:a')
    unsubscribe('agent:a')
    await publish('agent:a', { event: 'e', data: 1 })
    await until('it arrived', () => heard.length > 0)
  })

  t.test('an event is carried as it is', async (t) => {
    const { bus, heard } = await openHeard(t)
    await bus.subscribe('agent:a')
    const data = { text: 'é\u2028😀', list: [1, null, { deep: true }] }
    await bus.publish('agent:a', { event: 'changed', data })
    await until('it arrived', () => heard.length > 0)
    t.same(heard.map(({ topic, event }) => [topic, event.event, String(event.data)]), [['agent:a', 'changed', JSON.stringify(data)]])
  })

  t.test('data that is given as text passes on byte for byte', async (t) => {
    const { bus, heard } = await openHeard(t)
    await bus.subscribe('agent:a')
    for (const text of SPELLINGS) await bus.publish('agent:a', { event: 'e', data: JsonText.parse(text) })
    await until('all arrived', () => heard.length === SPELLINGS.length)
    t.same(heard.map(({ event }) => String(event.data)), SPELLINGS)
  })

  t.test('a publisher\'s object may change once it is published', async (t) => {
    const { bus, heard } = await openHeard(t)
    await bus.subscribe('agent:a')
    const data = { n: 1 }
    const published = bus.publish('agent:a', { event: 'e', data })
    data.n = 2
    await published
    await until('it arrived', () => heard.length > 0)
    t.equal(String(heard[0]?.event.data), '{"n":1}')
  })

  t.test('a topic is heard while somebody listens, and not by others', async (t) => {
    const { bus, heard } = await openHeard(t)
    await bus.subscribe('agent:a')
    await bus.subscribe('agent:a')
    await bus.subscribe('task:a')
    bus.unsubscribe('agent:a')
    await bus.publish('agent:a', { event: 'still', data: 1 })
    await until('the first arrived', () => heard.length > 0)
    bus.unsubscribe('agent:a')
    bus.unsubscribe('agent:a')
    await bus.publish('agent:a', { event: 'late', data: 2 })
    await bus.publish('task:a', { event: 'end', data: 3 })
    await until('the last arrived', () => heard.some(({ event }) => event.event === 'end'))
    t.same(heard.map(({ topic, event }) => `${topic} ${event.event}`), ['agent:a still', 'task:a end'])
  })

  t.test('what is no event or no topic is rejected', async (t) => {
    const { bus } = await openHeard(t)
    await t.rejects(bus.subscribe('control'))
    await t.rejects(bus.publish('control', { event: 'e', data: 1 }))
    await t.rejects(bus.publish('agent:a', { event: '', data: 1 }))
    await t.rejects(bus.publish('agent:a', { event: 'e', data: undefined }))
    await t.rejects(bus.publish('agent:a', { event: 'e', data: 'x'.repeat(1_048_577) }))
  })

  t.test('a storm of subscribing and unsubscribing ends with exactly the topics that are listened to', async (t) => {
    const { bus, heard } = await openHeard(t)
    const topics = ['agent:1', 'agent:x:2', 'task:1', 'user:a|b']
    const step = fc.record({ topic: fc.constantFrom(...topics), join: fc.boolean(), pause: fc.constantFrom('none', 'tick', 'wait') })
    let round = 0
    await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const counts = new Map(topics.map((topic) => [topic, 0]))
      const pending: Promise<void>[] = []
      for (const { topic, join, pause } of steps) {
        const count = counts.get(topic) ?? 0
        if (join) pending.push(bus.subscribe(topic).catch(() => { /* taken back before it was confirmed */ }))
        // Also while the subscription is under way.
        else if (count > 0) bus.unsubscribe(topic)
        counts.set(topic, join ? count + 1 : Math.max(0, count - 1))
        if (pause === 'tick') await new Promise((resolve) => setImmediate(resolve))
        if (pause === 'wait') await Promise.all(pending)
      }
      await Promise.all(pending)
      const data = ++round
      heard.length = 0
      await bus.subscribe('task:end')
      for (const topic of [...topics, 'task:end']) await bus.publish(topic, { event: 'e', data })
      const expected = [...topics.filter((topic) => (counts.get(topic) ?? 0) > 0), 'task:end'].sort()
      await until('all arrived', () => expected.every((topic) => heard.some((one) => one.topic === topic)))
      const got = heard.map(({ topic }) => topic).sort()
      for (const [topic, count] of counts) for (let n = 0; n < count; n++) bus.unsubscribe(topic)
      bus.unsubscribe('task:end')
      return JSON.stringify(got) === JSON.stringify(expected)
    }), { numRuns: 60 })
    t.pass('60 histories')
  })

  t.test('a closed bus takes nothing and says nothing', async (t) => {
    const { bus, heard } = await openHeard(t)
    await bus.subscribe('agent:a')
    await bus.publish('agent:a', { event: 'e', data: 1 })
    await until('it arrived', () => heard.length === 1)
    await bus.close()
    await t.rejects(bus.subscribe('agent:a'))
    await bus.close()
    t.equal(heard.length, 1)
  })
}
