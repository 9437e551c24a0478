import type { PgConnection, Row } from './connection.js'

/**
 * What role and database give to every session of the login role (`alter role … set`, `alter database … set`): settings with
 * a dot in their name, which policies read as if they spoke for the user, and row security that is off. `reset all` brings
 * them back.
 */
const DEFAULTS = `
select pg_catalog.split_part(e.entry, '=', 1) as name, r.rolname::text as role, d.datname::text as database
from pg_catalog.pg_db_role_setting s
cross join lateral pg_catalog.unnest(s.setconfig) as e (entry)
left join pg_catalog.pg_roles r on r.oid = s.setrole
left join pg_catalog.pg_database d on d.oid = s.setdatabase
where (s.setdatabase = 0 or d.datname = pg_catalog.current_database()) and (s.setrole = 0 or r.rolname = session_user)
  and case when pg_catalog.split_part(e.entry, '=', 1) = 'row_security'
    -- off, false, no, 0, and what these begin with.
    then not pg_catalog.split_part(e.entry, '=', 2)::bool else pg_catalog.strpos(pg_catalog.split_part(e.entry, '=', 1), '.') > 0 end
order by 1, 2, 3`

/**
 * Settings that the session began with, of any origin. Postgres lists no setting that no extension defined, so they are
 * asked for by name: those of PostgREST, and all that a policy, a function outside of Postgres itself, or a view that the answers
 * rest on is written to read.
 */
const READ_BY_POLICIES = `
with texts (text) as (
  select coalesce(pg_catalog.pg_get_function_sqlbody(p.oid), p.prosrc) from pg_catalog.pg_proc p
  where p.pronamespace <> all (array['pg_catalog', 'information_schema']::regnamespace[])
  union all select pg_catalog.pg_get_expr(o.polqual, o.polrelid) from pg_catalog.pg_policy o
  union all select pg_catalog.pg_get_viewdef(v.oid) from pg_catalog.pg_class v where v.relkind = 'v' and v.oid = any ($1::oid[])
), names (name) as (
  select pg_catalog.lower(m.found[1]) from texts t
  cross join lateral pg_catalog.regexp_matches(t.text, 'current_setting\\s*\\(\\s*''([^'']+\\.[^'']+)''', 'gi') as m (found)
  union values ('request.jwt.claim'), ('request.jwt.claims'), ('request.jwt.claim.sub'), ('request.jwt.claim.role'), ('request.jwt.claim.email'),
    ('request.headers'), ('request.cookies'), ('request.method'), ('request.path')
)
select n.name from names n
where case
  -- What an extension defined is another matter, and may be for superusers only.
  when 'NO_SHOW_ALL' = any (pg_catalog.pg_settings_get_flags(n.name)) then pg_catalog.current_setting(n.name, true) <> '' else false end
order by 1`

const SERVER = 'select pg_catalog.current_setting(\'server_version_num\') as version, pg_catalog.current_setting(\'row_security\') as row_security'
/** An older one cannot say whether an extension defined a setting: what its configuration gives to every session is not told. */
const FIRST_WITH_FLAGS = 150_000

/** A setting of every session, and where it was given. */
export interface SessionDefault {
  readonly name: string
  /** For operators: `role portcullis_login in database app`. */
  readonly givenBy: string
}

/** The names under which a request speaks for its user, for PostgREST and Supabase. Postgres compares names without case. */
const SPEAKS_FOR_USER = /^request\./i
const ROW_SECURITY = 'row_security'

export interface DefaultsQuestion {
  /** Names of the settings that the address gives. */
  readonly startup: readonly string[]
  /** Every relation that counts: what its views read is found. */
  readonly oids: readonly string[]
}

/** Reads what every session of the login role begins with: in a transaction that has reset what was set since. */
export async function readSessionDefaults (connection: Pick<PgConnection, 'run'>, { startup, oids }: DefaultsQuestion): Promise<SessionDefault[]> {
  const [ofRoles, [server]] = await Promise.all([connection.run(DEFAULTS), connection.run(SERVER)])
  const read = Number(server?.['version']) >= FIRST_WITH_FLAGS ? await connection.run(READ_BY_POLICIES, [`{${oids.join(',')}}`]) : []
  const isOff = server?.['row_security'] === 'off'
  const known = [
    ...ofRoles.map(row => ({ name: String(row['name']), givenBy: placeOf(row) })),
    ...startup.filter(name => name.includes('.') || (isOff && name.toLowerCase() === ROW_SECURITY)).map(name => ({ name, givenBy: 'DATABASE_URL' }))
  ]
  const named = new Set(known.map(({ name }) => name.toLowerCase()))
  const others = [...read.map(({ name }) => String(name)), ...(isOff ? [ROW_SECURITY] : [])].filter(name => !named.has(name))
  return [...known, ...others.map(name => ({ name, givenBy: 'the configuration of the server' }))]
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
  return defaults.filter(({ name }) => !SPEAKS_FOR_USER.test(name)).map(({ name, givenBy }) => name.toLowerCase() === ROW_SECURITY
    ? `${givenBy} turns row_security off for every session: checks turn it on for themselves, other programs get errors in the place of rows`
    : `${givenBy} sets ${name} for every session: a policy that reads it sees one value for all users`)
}
