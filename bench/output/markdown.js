import { listTargets, renderRatio, shorten } from './table.js'

const REFERENCES = { floor: 'bare uWebSockets.js', usual: 'the usual stack' }
const row = cells => `| ${cells.join(' | ')} |`
const rule = cells => row(cells.map(() => '---'))
const figure = ({ median, min, max, unit }) => `${shorten(median)} (${shorten(min)}–${shorten(max)}) ${unit}`.trim()
const verdicts = one => listTargets(one).map(({ text, met }) => `${text} ${met ? 'met' : '**missed**'}`).join(', ')

/** Where and with what a run was made, in one sentence. */
export function describeRun ({ host, settings }) {
  const binding = host.uWebSockets.split(':')[0]
  return `${host.cpu}, ${host.memory}, Node ${host.node}, the ${binding} uWebSockets.js binding, Redis ${host.redis}; ` +
    `log in ${host.log}; commit \`${host.commit}\`; medians of ${settings.rounds} interleaved rounds (lowest–highest)`
}

/** Cases whose controls are not those of the summary's columns, or that judge nothing. */
const LEFT_OUT = new Set(['verify', 'limits', 'growth'])

/** What has a target, and the controls beside it. */
export function renderSummary (results) {
  const head = ['figure', 'cost', '× bare uWebSockets.js', '× the usual stack', 'target', 'command']
  const body = Object.entries(results).flatMap(([name, { rows }]) => rows
    .filter(one => !LEFT_OUT.has(name) && (one.control !== null || listTargets(one).length > 0))
    .map(one => row([
      `${name}: ${one.name}`, figure(one), renderRatio(one.ratios.floor), renderRatio(one.ratios.usual), verdicts(one), `\`npm run bench -- ${name}\``
    ])))
  return [row(head), rule(head), ...body].join('\n')
}

/** Every row of every case. */
export function renderCases (results) {
  return Object.entries(results).map(([name, { title, rows }]) => {
    const controls = [...new Set(rows.flatMap(one => Object.keys(one.ratios)))].sort()
    const extras = [...new Set(rows.flatMap(one => Object.keys(one.extra)))]
    const head = ['', 'median (lowest–highest)', ...controls.map(control => `× ${REFERENCES[control] ?? control}`), ...extras, 'target']
    const body = rows.map(one => row([
      one.name, figure(one), ...controls.map(control => renderRatio(one.ratios[control])),
      ...extras.map(key => one.extra[key] === undefined ? '' : shorten(one.extra[key])), verdicts(one)
    ]))
    return `### \`npm run bench -- ${name}\`\n\n${title[0].toUpperCase()}${title.slice(1)}.\n\n${[row(head), rule(head), ...body].join('\n')}`
  }).join('\n\n')
}
