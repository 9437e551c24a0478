import { parseArgs } from 'node:util'
import t from 'tap'
import { playFanOut } from './fan-out.js'
import { playUpgradeStorm } from './upgrade-storm.js'

const { values } = parseArgs({
  options: { upgrades: { type: 'string', default: '4000' }, 'fan-out': { type: 'string', default: '' } }, allowPositionals: true
})
const upgrades = Number(values.upgrades)
const fanOut = /^(\d+)x(\d+)x(\d+)$/.exec(values['fan-out'])?.slice(1).map(Number)
if (!(upgrades > 0)) throw new Error('--upgrades is a number')
if (fanOut === undefined && values['fan-out'] !== '') throw new Error('--fan-out is PROCESSESxSOCKETSxTOPICS, such as 2x500x20')

t.test('a process just started keeps every client that it lets in, with both its lines', { timeout: 0 }, async (t) => {
  await playUpgradeStorm(t, upgrades)
})

if (fanOut !== undefined) {
  const [processes = 0, socketsEach = 0, topicsEach = 0] = fanOut
  t.test(`and events reach all ${processes * socketsEach} sockets of ${processes} processes`, { timeout: 0 }, async (t) => {
    await playFanOut(t, { processes, socketsEach, topicsEach })
  })
}
