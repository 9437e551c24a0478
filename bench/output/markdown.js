import { SURPLUS } from '../measure/rounds.js'
import { listTargets, renderRatio, shorten } from './table.js'

const row = cells => `| ${cells.join(' | ')} |`
const rule = cells => row(cells.map(() => '---'))
const table = (head, body) => [row(head), rule(head), ...body.map(row)].join('\n')
const figure = ({ median, min, max, unit }) => `${shorten(median)} (${shorten(min)}–${shorten(max)}) ${unit}`.trim()
const verdicts = one => listTargets(one).map(({ text, met }) => `${text} ${met ? 'met' : '**missed**'}`)

const BARE = 'bare uWebSockets.js'

/** What a control is called in a table. @param {string} control @param {{ before?: string }} host @param {string} [floor] the row's name */
function nameOf (control, { before = 'the build before' }, floor = BARE) {
  const names = { floor: floor.startsWith('bare') ? BARE : floor, whole: 'the whole', usual: 'the usual stack', before, [SURPLUS]: `what ${before} added to bare` }
  return names[control] ?? control
}

/** Where and with what a run was made, in one sentence. */
export function describeRun ({ host, settings, results }) {
  const binding = host.uWebSockets.split(':')[0]
  const names = Object.keys(results)
  /** What of the run is not the same for all its cases. */
  const differing = (key, usual, say) => {
    const valueOf = name => results[name][key] ?? usual
    const others = [...new Set(names.map(valueOf))].filter(value => value !== usual)
    return others.map(value => say(value, names.filter(name => valueOf(name) === value).join(', '))).join('')
  }
  const others = differing('commit', host.commit, (commit, cases) => `; ${cases} at \`${commit}\``)
  const fewer = differing('rounds', settings.rounds, (rounds, cases) => `, ${rounds} of ${cases}`)
  return `${host.cpu}, ${host.memory}, Node ${host.node}, the ${binding} uWebSockets.js binding, Redis ${host.redis}; ` +
    `log in ${host.log}; commit \`${host.commit}\`${others}; medians of ${settings.rounds} interleaved rounds${fewer} (lowest–highest)`
}

/** Cases whose controls are not those of the summary's columns, or that judge nothing. */
const LEFT_OUT = new Set(['verify', 'limits', 'growth', 'parts'])
/** In this order, and no others: the rest stands in the case's own table. */
const COMPARED = ['floor', 'before', SURPLUS, 'Centrifugo', 'usual']
const isCompared = control => COMPARED.findIndex(start => control === start || (start === 'Centrifugo' && control.startsWith(start)))

/** What has a target, and the controls beside it; the build before is a column. */
export function renderSummary ({ host, results }) {
  const shown = Object.entries(results).flatMap(([name, { rows }]) => rows
    .filter(one => !LEFT_OUT.has(name) && one.control !== 'before' && (one.control !== null || listTargets(one).length > 0))
    .map(one => ({ name, one })))
  const controls = [...new Set(shown.flatMap(({ one }) => Object.keys(one.ratios)))].filter(control => isCompared(control) !== -1)
    .sort((a, b) => isCompared(a) - isCompared(b))
  return table(['figure', 'cost', ...controls.map(control => `× ${nameOf(control, host)}`), 'target', 'command'], shown.map(({ name, one }) => [
    `${name}: ${one.name}`, figure(one), ...controls.map(control => renderRatio(one.ratios[control])), verdicts(one).join(', '), `\`npm run bench -- ${name}\``
  ]))
}

/** Every row of every case, each case under a heading of the level that is given, such as `###`. */
export function renderCases ({ host, results }, heading) {
  return Object.entries(results).map(([name, { title, rows }]) => {
    const controls = [...new Set(rows.flatMap(one => Object.keys(one.ratios)))].sort()
    const extras = [...new Set(rows.flatMap(one => Object.keys(one.extra)))]
    const floor = rows.find(({ control }) => control === 'floor')?.name
    const figures = table(['', 'median (lowest–highest)', ...controls.map(control => `× ${nameOf(control, host, floor)}`), ...extras, 'target'], rows.map(one => [
      one.name, figure(one), ...controls.map(control => renderRatio(one.ratios[control])),
      ...extras.map(key => one.extra[key] === undefined ? '' : shorten(one.extra[key])),
      [...verdicts(one), one.note ?? ''].filter(Boolean).join('; ')
    ]))
    return `${heading} \`npm run bench -- ${name}\`\n\n${title[0].toUpperCase()}${title.slice(1)}.\n\n${figures}`
  }).join('\n\n')
}
