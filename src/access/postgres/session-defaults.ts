import type { PgConnection, Row } from './connection.js'

/**
 * Settings with a dot in their name that the database gives to every session of the login role (`alter role … set`,
 * `alter database … set`). Policies read them as if they spoke for the user, and `reset all` brings them back.
 */
const DEFAULTS = `
select pg_catalog.split_part(e.entry, '=', 1) as name, r.rolname::text as role, d.datname::text as database
from pg_catalog.pg_db_role_setting s
cross join lateral pg_catalog.unnest(s.setconfig) as e (entry)
left join pg_catalog.pg_roles r on r.oid = s.setrole
left join pg_catalog.pg_database d on d.oid = s.setdatabase
where (s.setdatabase = 0 or d.datname = pg_catalog.current_database()) and (s.setrole = 0 or r.rolname = session_user)
  and pg_catalog.strpos(pg_catalog.split_part(e.entry, '=', 1), '.') > 0
order by 1, 2, 3`

/** One such setting, and where it was given. */
export interface SessionDefault {
  readonly name: string
  /** For operators: `role portcullis_login in database app`. */
  readonly givenBy: string
}

/** The names under which a request speaks for its user, for PostgREST and Supabase. Postgres compares names without case. */
const SPEAKS_FOR_USER = /^request\./i

/** Reads the defaults of the login role in this database. */
export async function readSessionDefaults (connection: Pick<PgConnection, 'run'>): Promise<SessionDefault[]> {
  return (await connection.run(DEFAULTS)).map(row => ({ name: String(row['name']), givenBy: placeOf(row) }))
}

function placeOf ({ role, database }: Row): string {
  const place = [role === null ? '' : `role ${String(role)}`, database === null ? '' : `database ${String(database)}`].filter(part => part !== '')
  return place.length === 0 ? 'every role' : place.join(' in ')
}

/** What makes the database unsafe: a default that answers in the place of the user's claims. */
export function findDefaultFaults (defaults: readonly SessionDefault[]): string[] {
  return defaults.filter(({ name }) => SPEAKS_FOR_USER.test(name))
    .map(({ name, givenBy }) => `${givenBy} sets ${name} for every session, and policies would take it for the user's: reset it`)
}

/** What an operator should look at: a policy that reads such a default sees the same value for every user. */
export function describeDefaults (defaults: readonly SessionDefault[]): string[] {
  return defaults.filter(({ name }) => !SPEAKS_FOR_USER.test(name))
    .map(({ name, givenBy }) => `${givenBy} sets ${name} for every session: a policy that reads it sees one value for all users`)
}
