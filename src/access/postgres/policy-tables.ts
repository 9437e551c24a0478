import type { Row } from './connection.js'

/** What is to be said of what policies read: tables, views and functions. */
export interface PolicyTables {
  /** By oid and by name, those in which row security decides. */
  readonly secured: readonly string[]
  /** What makes the database unsafe. */
  readonly faults: readonly string[]
  /** What an operator should look at. */
  readonly notes: readonly string[]
}

/** It is the same thing where it is renamed, and where another one takes its name. */
function keysOf ({ oid, name, is_function: isFunction, as_checked: asChecked, reader }: Row): string[] {
  const suffix = `${isFunction === true ? '()' : ''}${asChecked === true ? '' : ` as ${String(reader)}`}`
  return [`${String(oid)}${suffix}`, `${String(name)}${suffix}`]
}

/** What stands on one side of a sentence: what it is that a policy reads, and as whom. */
function describeUnheld ({ name, relkind, is_function: isFunction, as_checked: asChecked, reader }: Row, since: string): string {
  if (isFunction === true) return `row level security does not hold${since} for what the function ${String(name)} reads as its owner, and a policy calls it`
  if (relkind === 'v') return `row level security does not hold${since} for what the view ${String(name)} shows, which a policy reads: it shows what its owner may see`
  return `row level security does not hold${since} on ${String(name)}, which a policy reads${asChecked === true ? '' : ` as ${String(reader)}`}`
}

const describeLost = (relation: Row): string =>
  `${describeUnheld(relation, ' any more')}: what rests on it is given to everybody; if it is meant, start the gateway again`

const describeUnsecured = (relation: Row): string =>
  `${describeUnheld(relation, '')}: that policy has to look itself who asks, as it sees every row for every user`

/** What a function reads as its owner, and what stands beneath a view that is told by itself, are their authors' matter. */
const isNoted = ({ is_function: isFunction, as_checked: asChecked, relkind }: Row): boolean =>
  isFunction !== true && (asChecked === true || relkind === 'v')

/**
 * Judges it. A policy that looks itself who asks may read a table without row security, or a view that shows what its owner may see, and
 * nothing tells whether it does: that is a note. But where row security decided under this process (`before`), policies were tried
 * and relied on with it: that it is gone is a fault. Only who owns the table or the view can cause that, no user.
 */
export function judgePolicyTables (relations: readonly Row[], before: ReadonlySet<string>): PolicyTables {
  const resting = relations.filter(({ rests }) => rests === true)
  const unheld = resting.filter(({ held }) => held !== true)
  const lost = unheld.filter(relation => keysOf(relation).some(key => before.has(key)))
  const distinct = (sentences: readonly string[]): string[] => [...new Set(sentences)]
  return {
    secured: resting.filter(({ held }) => held === true).flatMap(keysOf),
    faults: distinct(lost.map(describeLost)),
    notes: distinct(unheld.filter(relation => !lost.includes(relation) && isNoted(relation)).map(describeUnsecured))
  }
}
