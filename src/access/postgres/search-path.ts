import type { PgConnection } from './connection.js'

const EVERY_ROLE = 'every role'

/**
 * Who may put objects into schemas of these names: their owner, and who was granted CREATE; for a schema that does not exist,
 * who may create schemas. Left out are superusers, the roles that are ours, and the owners of the relations, who decide what
 * is shown anyway. `$user` is the current user, also in a function that runs as its owner.
 */
const WRITERS = `
with ours as (
  select r.oid, r.rolname::text as name from pg_catalog.pg_roles r
  where r.rolname = session_user or r.rolname::text = $2
    or r.oid in (select c.relowner from pg_catalog.pg_class c where c.oid = any ($3::oid[]))
), users as (
  select o.name from ours o
  union select r.rolname::text from pg_catalog.pg_proc p join pg_catalog.pg_roles r on r.oid = p.proowner
  where p.prosecdef and p.pronamespace <> 'pg_catalog'::regnamespace
), named as (
  select distinct coalesce(u.name, w.name) as schema
  from pg_catalog.unnest($1::text[]) as w (name) left join users u on w.name = '$user'
  where pg_catalog.left(w.name, 3) <> 'pg_'
), here as (
  select d.datdba, d.datacl from pg_catalog.pg_database d where d.datname = pg_catalog.current_database()
), places as (
  select s.schema, n.oid is null as missing, coalesce(n.nspowner, h.datdba) as owner, case when n.oid is null then h.datacl else n.nspacl end as acl
  from named s cross join here h left join pg_catalog.pg_namespace n on n.nspname::text = s.schema
), writers as (
  select p.schema, p.missing, true as owns, p.owner as writer from places p
  union select p.schema, p.missing, false, a.grantee from places p cross join lateral pg_catalog.aclexplode(p.acl) a
  where a.privilege_type = 'CREATE' and a.grantee <> p.owner
), judged as (
  -- The owner of the database is the one member of this role.
  select w.schema, w.missing, w.owns, case when r.rolname = 'pg_database_owner' then h.datdba else w.writer end as writer
  from writers w cross join here h left join pg_catalog.pg_roles r on r.oid = w.writer
)
select pg_catalog.string_agg(distinct j.schema, ', ') as schema, j.missing, j.owns, coalesce(r.rolname::text, '${EVERY_ROLE}') as writer
from judged j left join pg_catalog.pg_roles r on r.oid = j.writer
where (j.writer = 0 or not r.rolsuper) and j.writer not in (select o.oid from ours o)
group by case when j.missing then '' else j.schema end, j.missing, j.owns, 4
order by 1, 4`

/** Identifiers of a list, quoted or not. */
const NAMES = /"((?:[^"]|"")*)"|[^\s,"]+/g

/** The schemas that a `search_path` names; `$user` stands for the current user. */
function readSearchPath (path: string): string[] {
  return [...path.matchAll(NAMES)].map(([plain, quoted]) => quoted?.replaceAll('""', '"') ?? plain.toLowerCase())
}

export interface PathQuestion {
  /** The `search_path` that policies are evaluated with. */
  readonly path: string
  /** The role that checks run as. */
  readonly role: string
  /** Every relation that counts: their owners are trusted. */
  readonly oids: readonly string[]
}

interface Writer {
  readonly schema: string
  /** The schema does not exist: the role that makes it owns it. */
  readonly missing: boolean
  readonly owns: boolean
  readonly writer: string
}

/** What somebody may do, and what ends that. */
function describeWriter ({ schema, missing, owns, writer }: Writer, path: string): string {
  const named = `the search path of the policies (${path})`
  const danger = 'operators and functions there may run inside them'
  const from = writer === EVERY_ROLE ? 'public' : writer
  if (missing) {
    return `${writer} ${owns ? 'owns this database and ' : ''}may create a schema ${schema}, which does not exist and is on ${named}: ${danger}: ` +
      `${owns ? 'create it as the owner of the tables' : `revoke create on this database from ${from}`}, or take it off the path`
  }
  return owns
    ? `${writer} owns the schema ${schema}, which is on ${named}: ${danger}: give the schema to the owner of the tables, or take it off the path`
    : `${writer} may create in the schema ${schema}, which is on ${named}: ${danger}: revoke create on schema ${schema} from ${from}`
}

/**
 * Looks who else may create in a schema on the path that policies are evaluated with, in a transaction that has nothing but
 * `pg_catalog` on its own path. Operators and functions that fit better than those of Postgres would run inside the policies
 * and their helpers. Resolves with sentences for operators.
 */
export async function describeWriters (connection: Pick<PgConnection, 'run'>, { path, role, oids }: PathQuestion): Promise<string[]> {
  const rows = await connection.run(WRITERS, [listOf(readSearchPath(path)), role, `{${oids.join(',')}}`])
  return rows.map((row) => describeWriter({
    schema: String(row['schema']), missing: row['missing'] === true, owns: row['owns'] === true, writer: String(row['writer'])
  }, path))
}

/** An array in Postgres's text form. */
function listOf (names: readonly string[]): string {
  return `{${names.map(name => JSON.stringify(name)).join(',')}}`
}
