import { shorten } from './table.js'

const PANELS = {
  upgrade: 'One upgrade: server CPU, µs',
  message: 'One 64-byte frame answered: server CPU, µs',
  fanout: 'One delivery of 512 bytes to 1,000 subscribers: server CPU, µs',
  idle: 'One idle connection: resident memory, KB'
}
const WIDTH = 860
const LABEL_WIDTH = 320
const VALUE_WIDTH = 150
const BAR_HEIGHT = 18
const ROW_HEIGHT = 26
const TITLE_HEIGHT = 44
const MARGIN = 16
const ALT = 'What an upgrade, a frame, a delivery and an idle connection cost'

const STYLE = `
  text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328 }
  .title { font-weight: 600; font-size: 14px }
  .note { font-size: 11px; fill: #59636e }
  .paper { fill: #ffffff }
  .ours { fill: #0969da }
  .control { fill: #afb8c1 }
  .spread { stroke: #1f2328; stroke-width: 1.5; opacity: 0.55 }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc }
    .note { fill: #9198a1 }
    .paper { fill: #0d1117 }
    .ours { fill: #4493f8 }
    .control { fill: #656c76 }
    .spread { stroke: #f0f6fc }
  }`

const escapeXml = text => text.replace(/[&<>"]/g, char => `&#${char.charCodeAt(0)};`)
const text = (x, y, content, className = 'label') => `<text x="${x}" y="${y}" class="${className}">${escapeXml(content)}</text>`

function drawRow (row, y, scale) {
  const width = Math.max(1, row.median * scale)
  const x = value => LABEL_WIDTH + value * scale
  const middle = y + BAR_HEIGHT / 2
  const kind = row.name.startsWith('portcullis') ? 'ours' : 'control'
  const ratio = row.ratios.floor === undefined ? '' : ` (× ${row.ratios.floor.median.toFixed(2)})`
  return [
    text(MARGIN, middle + 4, row.name),
    `<rect x="${LABEL_WIDTH}" y="${y}" width="${width.toFixed(1)}" height="${BAR_HEIGHT}" rx="2" class="${kind}"/>`,
    `<line x1="${x(row.min).toFixed(1)}" x2="${x(row.max).toFixed(1)}" y1="${middle}" y2="${middle}" class="spread"/>`,
    text((x(row.max) + 8).toFixed(1), middle + 4, `${shorten(row.median)} ${row.unit}${ratio}`)
  ]
}

function drawPanel (title, rows, top) {
  const scale = (WIDTH - LABEL_WIDTH - VALUE_WIDTH - MARGIN) / Math.max(...rows.map(({ max }) => max))
  const body = rows.flatMap((row, i) => drawRow(row, top + TITLE_HEIGHT + i * ROW_HEIGHT, scale))
  return { parts: [text(MARGIN, top + 30, title, 'title'), ...body], bottom: top + TITLE_HEIGHT + rows.length * ROW_HEIGHT }
}

/**
 * The main figures of a run as a chart (SVG) for light and dark pages.
 * @param {{ host: Record<string, string>, settings: { rounds: number }, results: Record<string, { rows: Array<object> }> }} run
 */
export function drawChart ({ host, settings, results }) {
  let top = 0
  const parts = []
  for (const [name, title] of Object.entries(PANELS)) {
    if (results[name] === undefined) continue
    const panel = drawPanel(title, results[name].rows, top)
    parts.push(...panel.parts)
    top = panel.bottom
  }
  const uws = host.uWebSockets.split(':')[0]
  const notes = [
    `Medians of ${settings.rounds} interleaved rounds, lines from best to worst; in brackets the ratio to bare uWebSockets.js.`,
    `${host.cpu}, Node ${host.node}, ${uws} uWebSockets.js binding, Redis ${host.redis}, commit ${host.commit}.`
  ]
  const height = top + 58
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${ALT}">
<style>${STYLE}
</style>
<rect width="${WIDTH}" height="${height}" class="paper"/>
${parts.join('\n')}
${notes.map((note, i) => text(MARGIN, top + 26 + i * 16, note, 'note')).join('\n')}
</svg>
`
}
