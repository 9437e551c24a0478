/**
 * How long a process that stands still between two statements may hold its place in a pooler. A process that is only late must not
 * lose its connection for it.
 */
const IDLE_MS = 10_000
/** The longest statement where nobody gave a time of its own: an inspection of a catalog of many thousand functions takes seconds. */
const STATEMENT_MS = 30_000

/**
 * Begins a transaction in which nothing is in force that another program left on the connection of a pooler: no setting, and
 * no temporary table, view or type. The schema of temporary objects comes first on the path of every function that has a
 * search path of its own, whatever the session's path says, so those objects have to be gone. Where there are none
 * `discard temp` does nothing; where there are, it deletes their rows in the catalog, for which the transaction takes an id and a
 * lock for each object. The transaction always ends by a rollback, which gives the neighbours theirs back. It also ends by itself when
 * this process stands still in its midst, or a statement goes on without end: a pooler's connection is held by nobody.
 */
export const begin = (isolation: 'read committed' | 'repeatable read'): string => [
  `begin isolation level ${isolation} read only`, 'reset all', `set local idle_in_transaction_session_timeout = ${IDLE_MS}`,
  `set local statement_timeout = ${STATEMENT_MS}`, 'discard temp'
].join('; ')
