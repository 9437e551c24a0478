/** Classes of SQLSTATE that say that the server is in trouble, not the statement: connection, resources, operator, system, bug. */
const TROUBLE = /^(?:08|53|57|58|XX)/
/** `query_canceled`: a statement took too long. That is an answer about this statement, and nobody else's. */
const CANCELED = '57014'

/** Whether an error says that the next statement, of any user, may fail as well. */
export function isTrouble (sqlstate: string): boolean {
  return sqlstate !== CANCELED && TROUBLE.test(sqlstate)
}
