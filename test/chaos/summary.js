const columns = (entries) => entries.toSorted(([a], [b]) => a < b ? -1 : 1).map(([name, value]) => `  ${String(value).padStart(8)}  ${name}`)

const section = (title, lines) => lines.length === 0 ? [] : ['', title, ...lines]

/** The summary as people read it. @param {object} summary as it is written as JSON */
export function renderSummary (summary) {
  const { operations, faults, exceptions, invariants, memory, violations } = summary
  const { seed, topology, minutes, workers, steady_s: steadyS } = summary
  return [
    `seed ${seed}, ${topology}, ${minutes} min, workers of the second gateway: ${workers}; the limits had to hold without exception for ${steadyS} s`,
    ...section('Operations', columns(Object.entries(operations))),
    ...section('Faults', columns(Object.entries(faults))),
    ...section('Invariants: checks, violations', Object.entries(invariants).map(([name, { checks, violations: count }]) => `  ${String(checks).padStart(8)} ${String(count).padStart(4)}  ${name}`)),
    ...section('Exceptions: lines that a crash takes with it, or doubles, for a known reason', columns(Object.entries(exceptions))),
    ...section('Memory of processes that lived long enough', memory.map(one => `  ${JSON.stringify(one)}`)),
    ...section('Violations', violations.flatMap(({ invariant, text, lines }) => [`  ${invariant}: ${text}`, ...lines.map(line => `      ${JSON.stringify(line)}`)])),
    '',
    violations.length === 0 ? 'Every invariant held.' : 'INVARIANTS WERE VIOLATED.',
    ''
  ].join('\n')
}
