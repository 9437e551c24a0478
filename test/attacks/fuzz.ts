import { makeMessage } from './fuzz-frames.js'
import { makeBadHead, makeGoodHead } from './fuzz-heads.js'
import { createRandom, type Random } from './random.js'

/** What one client does: bytes to write, a wait for what comes back, or a turn of the event loop. */
export type Step = { readonly write: Buffer } | 'answer' | 'turn'

export interface Input {
  readonly index: number
  readonly from: string
  readonly steps: readonly Step[]
  readonly end: 'reset' | 'goodbye'
}

/** What inputs are made of. */
export interface Material {
  /** Accepted by the gateway. */
  readonly good: readonly string[]
  /** Refused, or waited for: expired, forged, of a key that nobody knows. */
  readonly bad: readonly string[]
}

/** Cuts bytes at random places, so that each piece may be a read of its own. */
function cut (random: Random, bytes: Buffer): Step[] {
  const count = random.chance(0.5) ? 0 : random.below(5)
  const places = Array.from({ length: count }, () => random.below(bytes.length + 1)).toSorted((a, b) => a - b)
  const steps: Step[] = []
  let start = 0
  for (const place of [...places, bytes.length]) {
    if (place > start) steps.push({ write: bytes.subarray(start, place) }, 'turn')
    start = place
  }
  return steps
}

/** A good upgrade, and then a life that ends at any point. */
function makeSession (random: Random, { good, bad }: Material): Step[] {
  const steps = cut(random, Buffer.from(makeGoodHead(random, random.pick(random.chance(0.85) ? good : bad))))
  // Without the wait, the bytes or the reset meet an upgrade that still waits for Redis or for keys.
  if (random.chance(0.75)) steps.push('answer')
  for (let messages = random.below(6); messages > 0; messages--) {
    steps.push(...cut(random, makeMessage(random, [...good, ...bad])))
    if (random.chance(0.4)) steps.push('answer')
  }
  return steps
}

/** The input with this number under this seed: the same each time, apart from the tokens' signatures. */
export function makeInput (seed: number, index: number, material: Material): Input {
  const random = createRandom(Math.imul(seed, 2_654_435_761) + index)
  const from = `127.${80 + random.below(8)}.${random.below(20)}.${1 + random.below(250)}`
  const steps = random.chance(0.5)
    ? makeSession(random, material)
    : cut(random, makeBadHead(random, [...material.good, ...material.bad]))
  if (random.chance(0.5)) steps.push('answer')
  return { index, from, steps, end: random.chance(0.6) ? 'reset' : 'goodbye' }
}

/** An input as it can be read and played again by hand. */
export function describeInput ({ index, from, steps, end }: Input): string {
  const told = steps.map(step => typeof step === 'string' ? step : `write ${step.write.length} ${step.write.subarray(0, 240).toString('base64')}`)
  return `input ${index} from ${from}: ${told.join(' | ')} | ${end}`
}
