/** A number as short as can be read. @param {number} value */
export function shorten (value) {
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString('en')
  if (Math.abs(value) >= 100) return value.toFixed(0)
  return value.toFixed(Math.abs(value) >= 10 ? 1 : 2)
}

/**
 * Rows of one case as text: the figure with its spread, the ratio to each control of the same run, what else was seen.
 * @param {Array<object>} rows
 */
export function renderTable (rows) {
  const controls = [...new Set(rows.flatMap(row => Object.keys(row.ratios)))].sort()
  const extras = [...new Set(rows.flatMap(row => Object.keys(row.extra)))]
  const head = ['', 'median (min–max)', ...controls.map(control => `× ${control}`), ...extras, 'target']
  const body = rows.map(row => [
    row.name,
    `${shorten(row.median)} (${shorten(row.min)}–${shorten(row.max)}) ${row.unit}`,
    ...controls.map(control => renderRatio(row.ratios[control])),
    ...extras.map(key => row.extra[key] === undefined ? '' : shorten(row.extra[key])),
    [...listTargets(row).map(({ text, met }) => met ? `${text} met` : `${text} MISSED`), row.note].filter(Boolean).join(', ')
  ])
  const widths = head.map((title, column) => Math.max(title.length, ...body.map(cells => cells[column].length)))
  const line = cells => cells.map((cell, i) => i === 0 || i === cells.length - 1 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])).join('  ').trimEnd()
  return [head, ...body].map(line).join('\n') + '\n'
}

/** A ratio with its spread; empty where there is none. */
export function renderRatio (ratio) {
  return ratio === undefined ? '' : `${ratio.median.toFixed(2)} (${ratio.min.toFixed(2)}–${ratio.max.toFixed(2)})`
}

/** What a row is to reach, and whether it does. What is to be much below 1 is said the other way round. */
export function listTargets ({ targetRatios, targetLeast = {}, targetMax, targetExtras = {}, ratios, extra, median }) {
  const byRatio = Object.entries(targetRatios).filter(([control]) => ratios[control] !== undefined).map(([control, target]) => ({
    text: control === 'usual' ? `≥ ${Math.round(1 / target)}× cheaper than ${control}` : `≤ ${target} × ${control}`,
    met: ratios[control].median <= target
  }))
  const byLeast = Object.entries(targetLeast).filter(([control]) => ratios[control] !== undefined).map(([control, target]) => ({
    text: `≥ ${target} × ${control}`, met: ratios[control].median >= target
  }))
  const byExtra = Object.entries(targetExtras).map(([key, max]) => ({ text: max === 0 ? `${key}: none` : `${key} ≤ ${shorten(max)}`, met: extra[key] <= max }))
  return [...byRatio, ...byLeast, ...(targetMax === null ? [] : [{ text: `≤ ${shorten(targetMax)}`, met: median <= targetMax }]), ...byExtra]
}
