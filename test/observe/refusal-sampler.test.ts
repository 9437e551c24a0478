import t from 'tap'
import { createRefusalSampler } from '../../src/observe/refusal-sampler.js'
import type { RefusalName } from '../../src/refusals.js'

function createRecordingSampler (writtenPerInterval: number, maxAddresses: number) {
  const told: Array<[address: string, reason: RefusalName, count: number]> = []
  const sampler = createRefusalSampler({
    writtenPerInterval, maxAddresses, onSuppressed: (...suppressed) => { told.push(suppressed) }
  })
  return { sampler, told }
}

t.test('the first events of an address are written, the rest are counted and told when the interval ends', async (t) => {
  const { sampler, told } = createRecordingSampler(3, 100)
  const written = Array.from({ length: 10 }, () => sampler.admit('192.0.2.1', 'invalid_token')).filter(Boolean)
  t.equal(written.length, 3)
  sampler.admit('192.0.2.1', 'ip_rate_limited')
  t.same(told, [])
  sampler.sweep()
  t.same(told, [['192.0.2.1', 'ip_rate_limited', 8]])
  t.equal(sampler.admit('192.0.2.1', 'invalid_token'), true, 'a new interval begins')
  sampler.sweep()
  t.equal(told.length, 1, 'nothing is told twice, and nothing of an address within its share')
})

t.test('one address does not use up the share of another', async (t) => {
  const { sampler } = createRecordingSampler(1, 100)
  t.equal(sampler.admit('192.0.2.1', 'invalid_token'), true)
  t.equal(sampler.admit('192.0.2.1', 'invalid_token'), false)
  t.equal(sampler.admit('192.0.2.2', 'invalid_token'), true)
})

t.test('with more addresses than are remembered, written and told still add up', async (t) => {
  const { sampler, told } = createRecordingSampler(2, 10)
  let written = 0
  for (let i = 0; i < 1000; i++) {
    for (let k = 0; k < 5; k++) written += Number(sampler.admit(`192.0.2.${i}`, 'invalid_token'))
  }
  t.equal(told.length, 990, 'the forgotten are told at once')
  sampler.sweep()
  t.equal(written + told.reduce((total, [,, count]) => total + count, 0), 5000)
})
