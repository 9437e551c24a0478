import { execFileSync } from 'node:child_process'
import t from 'tap'
import { isShort, planDescriptors, readDescriptorLimit } from '../../src/descriptors/budget.js'

t.test('connections get what the limit leaves beside a reserve and what else is open, never more than is configured', async (t) => {
  const limits = [1_048_576, 50_256, 50_255, 1024, 256, 128, 40]
  const cases = [...limits.map(limit => [limit, 50_000]), [1024, 100]]
  const shares = cases.map(([limit = 0, configured = 0]) => {
    const budget = planDescriptors(limit, configured)
    return [limit, budget.reserve, budget.maxConnections, isShort(budget)]
  })
  t.same(shares, [
    [1_048_576, 64, 50_000, false],
    [50_256, 64, 50_000, false],
    [50_255, 64, 49_999, true],
    [1024, 64, 768, true],
    [256, 16, 176, true],
    [128, 8, 64, true],
    [40, 8, 1, true],
    [1024, 64, 100, false]
  ])
})

t.test('where the system does not tell its limit, what is configured counts', async (t) => {
  const budget = planDescriptors(null, 50_000)
  t.match(budget, { maxConnections: 50_000, reserve: 0 })
  t.notOk(isShort(budget))
})

t.test('the limit is that of this process', async (t) => {
  const told = execFileSync('prlimit', ['--nofile', '--output=SOFT', '--noheadings', `--pid=${process.pid}`], { encoding: 'utf8' })
  t.equal(readDescriptorLimit(), Number(told))
})
