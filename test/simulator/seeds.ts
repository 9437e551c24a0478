import type { Test } from 'tap'
import { simulate } from './simulation.js'

/** What the runs are for. Each was seen many times oftener than is asked for here. */
const COMMON = ['told recovered: true', 'told recovered: false', 'gaps told', 'events acknowledged', 'plain events over the wire', 'pages that crashed']

/** Runs these seeds, both ends included: no invariant is broken, and what the runs are for does happen. */
export async function breakNothing (t: Test, from: number, to: number): Promise<void> {
  const broken: string[] = []
  const counts = new Map<string, number>()
  for (let seed = from; seed <= to; seed++) {
    const { violation, counts: ofSeed } = await simulate(seed)
    if (violation !== null) broken.push(`npm run simulate -- --seed ${seed}: ${violation.invariant}: ${violation.text}`)
    for (const [what, times] of ofSeed) counts.set(what, (counts.get(what) ?? 0) + times)
  }
  t.same(broken, [])
  t.same(COMMON.filter(what => (counts.get(what) ?? 0) < (to - from + 1) / 20), [], 'all of it happens often')
}
