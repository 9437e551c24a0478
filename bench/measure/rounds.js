import { summarize, summarizeRatio } from './statistics.js'

/** The name of a ratio: what a row costs above the floor, to what the build before cost above it. */
export const SURPLUS = 'before above bare'

/**
 * @typedef {object} Subject
 * @property {string} name
 * @property {string} [control] what others are compared with: `floor`, `usual`, `before`, …
 * @property {string} [of] what is done: a control that has one is compared only with what does the same, unless it is `forAll`
 * @property {boolean} [forAll]
 * @property {(round: number) => Promise<{ value: number, extra?: Record<string, number> }>} measure one round's figure
 * @property {Record<string, number>} [targetRatios] highest ratio to each control
 * @property {Record<string, number>} [targetLeast] lowest ratio to each control
 * @property {number} [targetMax] highest median
 * @property {Record<string, number>} [targetExtras] highest median of what else is seen
 */

/**
 * Measures every subject once a round (A B C A B C …), so that what changes on the host meets all of them.
 * @param {Subject[]} subjects
 * @param {{ rounds: number, unit: string, progress: (text: string) => void, beforeRound?: () => unknown }} settings
 */
export async function runRounds (subjects, { rounds, unit, progress, beforeRound = () => {} }) {
  /** @type {Map<Subject, Array<{ value: number, extra?: Record<string, number> }>>} */
  const measured = new Map(subjects.map(subject => [subject, []]))
  for (let round = 0; round < rounds; round++) {
    await beforeRound()
    for (const subject of subjects) {
      progress(`round ${round + 1} of ${rounds}: ${subject.name}`)
      measured.get(subject).push(await subject.measure(round))
    }
  }
  progress('')
  const valuesOf = subject => measured.get(subject).map(({ value }) => value)
  return subjects.map((subject) => makeRow({
    ...subject,
    unit,
    values: valuesOf(subject),
    ratios: compare(subject, subjects, valuesOf),
    extra: medians(measured.get(subject).map(({ extra = {} }) => extra))
  }))
}

/** Ratios to each control, and which share is left of what the build before added to the floor: that survives a change of host. */
function compare (subject, subjects, valuesOf) {
  const isFor = ({ of, forAll = false }) => forAll || of === undefined || of === subject.of
  const controls = subjects.filter(other => other !== subject && other.control !== undefined && isFor(other))
  const ratios = Object.fromEntries(controls.map(other => [other.control, summarizeRatio(valuesOf(subject), valuesOf(other))]))
  const [floor, before] = ['floor', 'before'].map(name => controls.find(({ control }) => control === name))
  // Where the build before is hardly above the floor it says nothing: only rows that have a target for it show it.
  if (floor === undefined || before === undefined || subject.targetRatios?.[SURPLUS] === undefined) return ratios
  const aboveFloor = one => valuesOf(one).map((value, round) => value - valuesOf(floor)[round])
  return { ...ratios, [SURPLUS]: summarizeRatio(aboveFloor(subject), aboveFloor(before)) }
}

/** A row of the table and of the JSON; `note`: what else must be known of it. */
export function makeRow ({
  name, control = null, unit, values, ratios = {}, targetRatios = {}, targetLeast = {}, targetMax = null, targetExtras = {}, extra = {}, note = ''
}) {
  return { name, control, unit, ...summarize(values), values, ratios, targetRatios, targetLeast, targetMax, targetExtras, extra, note }
}

function medians (extras) {
  const keys = [...new Set(extras.flatMap(extra => Object.keys(extra)))]
  return Object.fromEntries(keys.map(key => [key, summarize(extras.map(extra => extra[key])).median]))
}
