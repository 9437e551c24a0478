import type { Row } from './ledger.js'

const COLUMNS: ReadonlyArray<readonly [string, (row: Row) => string | number]> = [
  ['fault', ({ fault }) => fault],
  ['published', ({ published }) => published],
  ['delivered', ({ delivered }) => delivered],
  ['told recovered', ({ recovered }) => recovered],
  ['told a gap', ({ toldGap }) => toldGap],
  ['lost without a word', ({ lost }) => lost],
  ['doubles', ({ doubles }) => doubles],
  ['out of order', ({ disordered }) => disordered]
]

/** Rows of one fault are added up, and all of them. */
export function sumUp (rows: readonly Row[]): Row[] {
  const sums = new Map<string, Row>()
  for (const row of rows) for (const fault of [row.fault, 'all']) sums.set(fault, add(sums.get(fault), { ...row, fault }))
  const { all, ...others } = Object.fromEntries(sums) as Record<string, Row>
  return [...Object.values(others), ...all === undefined ? [] : [all]]
}

function add (sum: Row | undefined, row: Row): Row {
  if (sum === undefined) return row
  const plus = (name: Exclude<keyof Row, 'fault'>): number => sum[name] + row[name]
  return {
    fault: row.fault,
    published: plus('published'),
    delivered: plus('delivered'),
    recovered: plus('recovered'),
    toldGap: plus('toldGap'),
    lost: plus('lost'),
    doubles: plus('doubles'),
    disordered: plus('disordered')
  }
}

/** The table, in Markdown. */
export function renderTable (rows: readonly Row[]): string {
  const lines = [COLUMNS.map(([title]) => title), COLUMNS.map((_, n) => n === 0 ? '---' : '---:'), ...rows.map(row => COLUMNS.map(([, read]) => String(read(row))))]
  return lines.map(cells => `| ${cells.join(' | ')} |`).join('\n')
}
