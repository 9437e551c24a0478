import { summarize, summarizeRatio } from './statistics.js'

/**
 * @typedef {object} Subject
 * @property {string} name
 * @property {string} [control] what others are compared with: `floor`, `usual`, …
 * @property {(round: number) => Promise<{ value: number, extra?: Record<string, number> }>} measure one round's figure
 * @property {Record<string, number>} [targetRatios] highest ratio to each control
 * @property {number} [targetMax] highest median
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
  const controls = subjects.filter(({ control }) => control !== undefined)
  return subjects.map((subject) => makeRow({
    ...subject,
    unit,
    values: valuesOf(subject),
    ratios: Object.fromEntries(controls.filter(other => other !== subject)
      .map(other => [other.control, summarizeRatio(valuesOf(subject), valuesOf(other))])),
    extra: medians(measured.get(subject).map(({ extra = {} }) => extra))
  }))
}

/** A row of the table and of the JSON. */
export function makeRow ({ name, control = null, unit, values, ratios = {}, targetRatios = {}, targetMax = null, extra = {} }) {
  return { name, control, unit, ...summarize(values), values, ratios, targetRatios, targetMax, extra }
}

function medians (extras) {
  const keys = [...new Set(extras.flatMap(extra => Object.keys(extra)))]
  return Object.fromEntries(keys.map(key => [key, summarize(extras.map(extra => extra[key])).median]))
}
