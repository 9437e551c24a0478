/** @param {readonly number[]} values @param {number} share 0 to 1 */
export function quantile (values, share) {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]
}

/** @param {readonly number[]} values */
export function median (values) {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/**
 * Median and spread of one figure over the rounds; `quartiles`: how far apart the middle half of them is.
 * @param {readonly number[]} values
 */
export function summarize (values) {
  const quartiles = quantile(values, 0.75) - quantile(values, 0.25)
  return { median: median(values), min: Math.min(...values), max: Math.max(...values), quartiles }
}

/**
 * The ratio to a control, round by round: what slows both in one round cancels out.
 * @param {readonly number[]} values @param {readonly number[]} control
 */
export function summarizeRatio (values, control) {
  return summarize(values.map((value, round) => value / control[round]))
}
