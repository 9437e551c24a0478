import { inspect } from 'node:util'

/**
 * Collects what the files' processes said. `add` prints a line for each file, and its failures; `finish` prints the names
 * of all failures and the count, and returns whether everything passed.
 */
export function createReport ({ files, write }) {
  const done = new Map()

  function faultsOf ({ counts, ended, failed }) {
    const names = failed.map(({ name }) => name)
    if (counts.passed + counts.failed + counts.skipped === 0) names.push('ran no test')
    if (ended !== null && failed.length === 0) names.push(`its process ended with ${ended}`)
    return names
  }

  function add (run) {
    // A test with a failed part has failed as well; its part says why.
    run.failed = run.failed.filter(({ name }) => !run.failed.some((other) => other.name.startsWith(`${name} > `)))
    const faults = faultsOf(run)
    done.set(run.file, { ...run, faults })
    write(`${faults.length === 0 ? 'ok    ' : 'FAILED'} ${inBrief(run)}`)
    if (faults.length === 0) return
    for (const name of faults.slice(run.failed.length)) write(indent(name))
    for (const { name, diag } of run.failed) write(indent(`${name}\n${inspectDiagnosis(diag)}`))
    if (run.stderr !== '') write(indent(run.stderr.slice(-10_000)))
  }

  function writeTimes () {
    write('\nlongest first:\n')
    for (const run of [...done.values()].toSorted((a, b) => b.timeMs - a.timeMs)) write(`  ${inBrief(run)}`)
  }

  function finish () {
    const unheard = files.filter((file) => !done.has(file)).map((file) => ({ file, faults: ['was not run to its end'] }))
    const broken = [...done.values(), ...unheard].filter(({ faults }) => faults.length > 0)
    const sum = { passed: 0, failed: 0, skipped: 0 }
    for (const { counts } of done.values()) for (const name of Object.keys(sum)) sum[name] += counts[name]
    // A file that ran no test, or whose process ended badly after its last assertion, has failed as much as an assertion.
    sum.failed += broken.filter(({ counts }) => (counts?.failed ?? 0) === 0).length
    if (broken.length > 0) write('\nfailed:\n')
    for (const { file, faults } of broken) for (const name of faults) write(`  ${file}: ${name}\n`)
    write(`\n${files.length} files\n${sum.passed} passed, ${sum.failed} failed${sum.skipped > 0 ? `, ${sum.skipped} skipped` : ''}\n`)
    return broken.length === 0 && sum.passed > 0
  }

  const times = () => Object.fromEntries([...done.values()].map(({ file, timeMs }) => [file, Math.round(timeMs)]))

  return { add, times, writeTimes, finish }
}

const inBrief = ({ file, timeMs, counts }) =>
  `${(timeMs / 1000).toFixed(2).padStart(6)} s ${String(counts.passed + counts.failed + counts.skipped).padStart(5)}  ${file}\n`

const indent = (text) => text.replace(/^/gm, '    ') + '\n'

function inspectDiagnosis (diag) {
  if (diag === null || diag === undefined) return ''
  const { diff, stack, at, source, ...rest } = diag
  const place = at === undefined ? '' : `at ${at.fileName}:${at.lineNumber}\n`
  return `${place}${source ?? ''}${diff ?? ''}${stack ?? ''}${Object.keys(rest).length === 0 ? '' : inspect(rest, { depth: 8, breakLength: 120 })}`
}
