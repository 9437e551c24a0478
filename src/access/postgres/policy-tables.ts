import type { Row } from './connection.js'

/** What is to be said of the tables that policies read. */
export interface PolicyTables {
  /** Names of those under row security. */
  readonly secured: readonly string[]
  /** What makes the database unsafe. */
  readonly faults: readonly string[]
  /** What an operator should look at. */
  readonly notes: readonly string[]
}

const describeLost = (name: string): string =>
  `row level security does not hold any more on ${name}, which a policy reads: what rests on it is given to everybody; if it is meant, start the gateway again`

const describeUnsecured = (name: string): string =>
  `row level security does not hold on ${name}, which a policy reads: that policy has to look itself who asks, as it sees every row of the table for every user`

/**
 * Judges them. A policy that looks itself who asks may read a table without row security, and nothing tells whether it does: that
 * is a note. But where the table had row security under this process (`before`), policies were tried and relied on with it: that
 * it is gone is a fault. Only who owns the table can cause that, no user.
 */
export function judgePolicyTables (relations: readonly Row[], before: ReadonlySet<string>): PolicyTables {
  const tables = relations.filter(({ rests, relkind }) => rests === true && (relkind === 'r' || relkind === 'p'))
  // Its owner is not under it, nor is a member of its owner.
  const namesOf = (wanted: boolean): string[] =>
    [...new Set(tables.filter(({ secured, owned }) => (secured === true && owned !== true) === wanted).map(({ name }) => String(name)))]
  const unsecured = namesOf(false)
  return {
    secured: namesOf(true),
    faults: unsecured.filter(name => before.has(name)).map(describeLost),
    notes: unsecured.filter(name => !before.has(name)).map(describeUnsecured)
  }
}
