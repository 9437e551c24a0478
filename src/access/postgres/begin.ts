/**
 * Begins a transaction in which nothing is in force that another program left on the connection of a pooler: no setting, and
 * no temporary table, view or type. The schema of temporary objects comes first on the path of every function that has a
 * search path of its own, whatever the session's path says, so those objects have to be gone. Where there are none
 * `discard temp` does nothing; where there are, it deletes their rows in the catalog. The transaction always ends by a
 * rollback, which gives the neighbours theirs back.
 */
export const begin = (isolation: 'read committed' | 'repeatable read'): string => `begin isolation level ${isolation} read only; reset all; discard temp`
