import type { Sample } from './parse-metrics.js'

/** What the admin port said at one moment. */
export interface Reading {
  /** Monotonic, in ms. */
  readonly atMs: number
  readonly samples: readonly Sample[]
  /** `ready`, or why not. */
  readonly readiness: string
}

const keyOf = ({ name, labels }: Sample): string => JSON.stringify([name, labels])

/** All samples of a metric. */
export function samplesOf ({ samples }: Reading, name: string): readonly Sample[] {
  return samples.filter(sample => sample.name === name)
}

/** Names the group of a sample; null leaves it out. */
export type GroupOf = (labels: Sample['labels']) => string | null

/** Groups by one label; samples without it are one group, `''`. */
export const byLabel = (label: string): GroupOf => labels => labels[label] ?? ''

/** The values of a metric summed by group, over all workers. */
export function sumBy (reading: Reading, name: string, groupOf: GroupOf): ReadonlyMap<string, number> {
  return addUp(samplesOf(reading, name), groupOf)
}

/**
 * How fast a counter grew in each group, a second; null before there are two readings. A counter that is smaller than before
 * began again at 0 with its worker, as Prometheus takes it; one that was not there before has no rate yet.
 */
export function ratesBy (reading: Reading, previous: Reading | null, name: string, groupOf: GroupOf): ReadonlyMap<string, number> | null {
  if (previous === null) return null
  const seconds = Math.max(0.001, (reading.atMs - previous.atMs) / 1000)
  const before = new Map(samplesOf(previous, name).map(sample => [keyOf(sample), sample.value]))
  const grown = samplesOf(reading, name).map((sample) => {
    const earlier = before.get(keyOf(sample)) ?? sample.value
    return { ...sample, value: (sample.value >= earlier ? sample.value - earlier : sample.value) / seconds }
  })
  return addUp(grown, groupOf)
}

function addUp (samples: readonly Sample[], groupOf: GroupOf): ReadonlyMap<string, number> {
  const sums = new Map<string, number>()
  for (const { labels, value } of samples) {
    const group = groupOf(labels)
    if (group !== null) sums.set(group, (sums.get(group) ?? 0) + value)
  }
  return sums
}

/** The sum over all workers; null when there is no sample. */
export function total (reading: Reading, name: string): number | null {
  const found = samplesOf(reading, name)
  return found.length === 0 ? null : found.reduce((sum, { value }) => sum + value, 0)
}

/** The least and the greatest value over all workers; null when there is no sample. */
export function extremes (reading: Reading, name: string): { readonly least: number, readonly greatest: number } | null {
  const values = samplesOf(reading, name).map(({ value }) => value)
  return values.length === 0 ? null : { least: Math.min(...values), greatest: Math.max(...values) }
}
