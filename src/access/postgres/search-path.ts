import type { PgConnection } from './connection.js'

const EVERY_ROLE = 'every role'

/**
 * The search paths that count, each with what a `$user` on it may stand for: that of the session ($1), with which policies are
 * evaluated, and those that functions set for themselves. Of the functions those that a policy or a counted view calls, and
 * all that such a one calls as its text is read: what it puts together as it runs is not seen. The owner of a function is
 * trusted with its path, as the function is his.
 */
const PATHS = `
functions as (
  select p.oid, p.proowner as owner, p.prosecdef as as_owner, p.proname::text as name,
    (select pg_catalog.substr(e.entry, 13) from pg_catalog.unnest(p.proconfig) e (entry) where pg_catalog.starts_with(e.entry, 'search_path=')) as path
  from pg_catalog.pg_proc p where p.pronamespace <> all (array['pg_catalog', 'information_schema']::regnamespace[])
), called (oid) as (
  select d.refobjid from pg_catalog.pg_depend d
  where d.refclassid = 'pg_catalog.pg_proc'::regclass and (d.classid = 'pg_catalog.pg_policy'::regclass
    or d.classid = 'pg_catalog.pg_rewrite'::regclass and d.objid in (select w.oid from pg_catalog.pg_rewrite w where w.ev_class = any ($3::oid[])))
  union
  select named.oid from called c join pg_catalog.pg_proc p on p.oid = c.oid
  cross join lateral pg_catalog.regexp_matches(coalesce(pg_catalog.pg_get_function_sqlbody(p.oid), p.prosrc), '"((?:[^"]|"")+)"\\s*\\(|([\\w$]+)\\s*\\(', 'g') as m (found)
  join functions named on named.name = coalesce(pg_catalog.replace(m.found[1], '""', '"'), pg_catalog.lower(m.found[2]))
), users as (
  select o.name from ours o
  union select r.rolname::text from functions f join pg_catalog.pg_roles r on r.oid = f.owner where f.as_owner
), paths (functions, example, path, trusted, users) as (
  select 0, null, $1::text, null::oid, (select pg_catalog.array_agg(u.name) from users u)
  union all
  select pg_catalog.count(*), pg_catalog.min(f.oid::regprocedure::text), f.path, f.owner,
    case when f.as_owner then array[pg_catalog.pg_get_userbyid(f.owner)::text] else (select pg_catalog.array_agg(u.name) from users u) end
  from functions f where f.path is not null and f.oid in (select c.oid from called c)
  group by f.path, f.owner, f.as_owner
)`

/** The schemas on each path: identifiers, quoted or not. None can have an empty name, by which a path says that it has none. */
const NAMED = `
named as (
  select distinct p.functions, p.example, p.path, p.trusted, coalesce(u.name, w.name) as schema
  from paths p
  cross join lateral pg_catalog.regexp_matches(p.path, '"((?:[^"]|"")*)"|([^\\s,"]+)', 'g') as m (found)
  cross join lateral (select coalesce(pg_catalog.replace(m.found[1], '""', '"'), pg_catalog.lower(m.found[2])) as name) w
  left join lateral pg_catalog.unnest(p.users) as u (name) on w.name = '$user'
  where w.name <> '' and pg_catalog.left(w.name, 3) <> 'pg_'
)`

/**
 * Who may put objects into schemas of these names: their owner, and who was granted CREATE; for a schema that does not exist,
 * who may create schemas. Left out are superusers, the roles that are ours, and the owners of the relations, who decide what
 * is shown anyway. `$user` is the current user, also in a function that runs as its owner.
 */
const WRITERS = `
with recursive ours as (
  select r.oid, r.rolname::text as name from pg_catalog.pg_roles r
  where r.rolname = session_user or r.rolname::text = $2
    or r.oid in (select c.relowner from pg_catalog.pg_class c where c.oid = any ($3::oid[]))
), ${PATHS}, ${NAMED}, here as (
  select d.datdba, d.datacl from pg_catalog.pg_database d where d.datname = pg_catalog.current_database()
), places as (
  select s.*, n.oid is null as missing, coalesce(n.nspowner, h.datdba) as owner, case when n.oid is null then h.datacl else n.nspacl end as acl
  from named s cross join here h left join pg_catalog.pg_namespace n on n.nspname::text = s.schema
), writers as (
  select p.*, true as owns, p.owner as writer from places p
  union all
  select p.*, false, a.grantee from places p cross join lateral pg_catalog.aclexplode(p.acl) a
  where a.privilege_type = 'CREATE' and a.grantee <> p.owner
), judged as (
  -- The owner of the database is the one member of this role.
  select w.*, case when r.rolname = 'pg_database_owner' then h.datdba else w.writer end as judged
  from writers w cross join here h left join pg_catalog.pg_roles r on r.oid = w.writer
)
select j.functions::int, j.example, j.path, pg_catalog.string_agg(distinct j.schema, ', ') as schema, j.missing, j.owns,
  coalesce(r.rolname::text, '${EVERY_ROLE}') as writer
from judged j left join pg_catalog.pg_roles r on r.oid = j.judged
where (j.judged = 0 or not r.rolsuper) and j.judged is distinct from j.trusted and j.judged not in (select o.oid from ours o)
group by j.functions, j.example, j.path, case when j.missing then '' else j.schema end, j.missing, j.owns, coalesce(r.rolname::text, '${EVERY_ROLE}')
order by j.functions <> 0, j.example, schema, writer`

export interface PathQuestion {
  /** The `search_path` that policies are evaluated with. */
  readonly path: string
  /** The role that checks run as. */
  readonly role: string
  /** Every relation that counts: their owners are trusted. */
  readonly oids: readonly string[]
}

interface Writer {
  /** Whose path it is: 0 for that of the policies, else how many functions set it for themselves, of which `example` is one. */
  readonly functions: number
  readonly example: string
  readonly path: string
  readonly schema: string
  /** The schema does not exist: the role that makes it owns it. */
  readonly missing: boolean
  readonly owns: boolean
  readonly writer: string
}

function describePath ({ functions, example, path }: Writer): string {
  if (functions === 0) return `the search path of the policies (${path})`
  const owners = functions === 1 ? `the function ${example} sets for itself` : `${functions} functions, ${example} among them, set for themselves`
  return `the search path that ${owners} (${path})`
}

/** What somebody may do, and what ends that. */
function describeWriter (found: Writer): string {
  const { schema, missing, owns, writer } = found
  const named = describePath(found)
  const danger = `operators and functions there may run inside ${found.functions === 1 ? 'it' : 'them'}`
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
 * Looks who else may create in a schema on the path that policies are evaluated with, or on one that a function which they
 * call sets for itself, in a transaction that has nothing but `pg_catalog` on its own path. Operators and functions that fit
 * better than those of Postgres would run inside the policies and their helpers. Resolves with sentences for operators.
 */
export async function describeWriters (connection: Pick<PgConnection, 'run'>, { path, role, oids }: PathQuestion): Promise<string[]> {
  const rows = await connection.run(WRITERS, [path, role, `{${oids.join(',')}}`])
  return rows.map((row) => describeWriter({
    functions: Number(row['functions']),
    example: String(row['example']),
    path: String(row['path']),
    schema: String(row['schema']),
    missing: row['missing'] === true,
    owns: row['owns'] === true,
    writer: String(row['writer'])
  }))
}
