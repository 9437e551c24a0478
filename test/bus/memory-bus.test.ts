import t from 'tap'
import { createMemoryBus } from '../../src/bus/memory-bus.js'
import { testBus } from './bus-conformance.js'

testBus(t, async (t, onEvent) => {
  const bus = createMemoryBus({ onEvent })
  t.teardown(async () => { await bus.close() })
  return bus
})
