import t from 'tap'
import { ReloadLoop } from '../../src/control/reload-loop.js'
import { until } from '../support/until.js'

/** Readings that end when the test says so. */
function startLoop (everyMs: number) {
  const readings: Array<(done: boolean) => void> = []
  const loop = new ReloadLoop(() => new Promise((resolve) => { readings.push(resolve) }), everyMs)
  return { loop, readings }
}

const turn = async (): Promise<void> => { await new Promise((resolve) => { setImmediate(resolve) }) }

t.test('what is asked for during a reading is read once more after it, however often it was asked for', async (t) => {
  const { loop, readings } = startLoop(3_600_000)
  t.teardown(() => { loop.close() })
  for (let n = 0; n < 3; n++) loop.readSoon()
  t.equal(readings.length, 1)
  readings[0]?.(true)
  await turn()
  t.equal(readings.length, 2)
  readings[1]?.(true)
  await turn()
  t.equal(readings.length, 2, 'nothing is left to be read')
})

t.test('it reads again after its time', async (t) => {
  const { loop, readings } = startLoop(1)
  t.teardown(() => { loop.close() })
  loop.readSoon()
  readings[0]?.(true)
  await until('it reads again', () => readings.length === 2)
})

t.test('after closing it reads no more, though asked to, before or after the reading ends', async (t) => {
  const { loop, readings } = startLoop(1)
  loop.readSoon()
  loop.readSoon()
  loop.close()
  readings[0]?.(true)
  await turn()
  loop.readSoon()
  t.equal(readings.length, 1)
})
