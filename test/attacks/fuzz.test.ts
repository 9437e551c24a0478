import { parseArgs } from 'node:util'
import t, { type Test } from 'tap'
import { describeInput, makeInput, type Input } from './fuzz.js'
import { playInput } from './fuzz-client.js'
import { startFuzzTarget, type FuzzTarget } from './fuzz-target.js'

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '0' }, seed: { type: 'string', default: '20260301' } }, allowPositionals: true
})
const [minutes, firstSeed] = [Number(values.minutes), Number(values.seed)]
if (!(minutes >= 0) || !Number.isSafeInteger(firstSeed)) throw new Error('--minutes is a number of minutes, --seed a whole number')

const LANES = 8
const WARM_UP = 250
const SHORT = 450
/** A gateway is fuzzed with so many inputs before the next one: the log of all of them is kept to be read. */
const LONG = 20_000
const DISTURB_EVERY = 40
const REMEMBERED = 24

/** Plays the inputs from `first` up to, not including, `end`, several at a time. */
async function play (target: FuzzTarget, seed: number, first: number, end: number, recent: Input[], endMs = Infinity): Promise<void> {
  const { gateway, material } = target
  let next = first
  await Promise.all(Array.from({ length: LANES }, async () => {
    while (next < end && performance.now() < endMs) {
      const index = next++
      const input = makeInput(seed, index, material)
      recent.push(input)
      if (recent.length > REMEMBERED) recent.shift()
      if (index % DISTURB_EVERY === 0) target.disturb(index / DISTURB_EVERY)
      await playInput(gateway.port, input)
    }
  }))
  target.calm()
}

async function fuzz (t: Test, seed: number, inputs: number, endMs = Infinity): Promise<void> {
  const target = await startFuzzTarget(t)
  const recent: Input[] = []
  let passed = false
  try {
    await play(target, seed, 0, WARM_UP, recent)
    await target.expectNothingLeft(t, null)
    const before = await target.readHeld()
    await play(target, seed, WARM_UP, WARM_UP + inputs, recent, endMs)
    await target.expectNothingLeft(t, before)
    passed = true
  } finally {
    // Also where a check gave up: what came last is where to look.
    if (!passed || !t.passing()) t.comment(`to play it again: npm run test:fuzz -- --seed ${seed}\n${recent.map(describeInput).join('\n')}`)
  }
  const count = (event: string): number => target.gateway.log.filter(line => line.event === event).length
  t.ok(count('connection.accepted') > WARM_UP / 20, `${count('connection.accepted')} connections were opened`)
  t.ok(count('connection.refused') > WARM_UP / 20, `${count('connection.refused')} refusals were written`)
}

if (minutes === 0) t.test(`whatever ${SHORT + WARM_UP} clients send, and wherever they stop, nothing dies and nothing is left`, async (t) => { await fuzz(t, firstSeed, SHORT) })
else {
  const endMs = performance.now() + minutes * 60_000
  for (let seed = firstSeed; performance.now() < endMs && t.passing(); seed++) {
    await t.test(`seed ${seed}`, async (t) => { await fuzz(t, seed, LONG, endMs) })
  }
}
