import type { PgConnection, Row } from './connection.js'

/** The name of the role that is asked about; null where there is no such role. */
const CHECKED_ROLE = '(select r.rolname from pg_catalog.pg_roles r where r.rolname operator(pg_catalog.=) $1)'

/** What counts, by its oids. */
export interface Counted {
  /** Every relation: those of the settings, all beneath them where they are views, and what their policies read. */
  readonly oids: readonly string[]
  /** The functions whose bodies are read. */
  readonly functions: readonly string[]
  /** Roles besides the checked one as whom some of it is read: owners of views and functions. */
  readonly readers: readonly string[]
}

/** What is read of the catalog, as one line for each thing that makes the database safe. */
export interface FactsQuestion {
  /** The role that checks run as: an SQL expression of type `name`. */
  readonly role: string
  readonly counted: Counted
}

const listOf = (oids: readonly string[]): string => `'{${oids.join(',')}}'::pg_catalog.oid[]`

/**
 * Parts of a query, each of which selects a kind and a text: whether row security is on, who owns what, what a view or a policy reads and
 * as whom, of which type the ids are, whether a role stands above it all, and which settings a session begins with. A check
 * has them in its own statement: that holds locks on its tables, so that what it saw of them is what it was answered under.
 * All names are qualified, as the path may have another's operators on it.
 */
export function selectFacts ({ role, counted: { oids, functions, readers } }: FactsQuestion): string[] {
  const counted = listOf(oids)
  const isMember = (who: string): string => `pg_catalog.pg_has_role(${who}, c.relowner, 'MEMBER')`
  return [
    `select 'fact' as kind, pg_catalog.concat_ws(' ', c.oid, n.nspname, c.relname, c.relkind, c.relrowsecurity, c.relforcerowsecurity, c.relowner, c.reloptions,
      ${isMember('session_user')}, ${isMember(role)}) as id
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid operator(pg_catalog.=) c.relnamespace
    where c.oid operator(pg_catalog.=) any (${counted})`,
    `select 'fact', pg_catalog.concat_ws(' ', r.rolname, r.rolsuper, r.rolbypassrls)
    from pg_catalog.pg_roles r where r.rolname operator(pg_catalog.=) any (array[session_user, ${role}])`,
    `select 'fact', pg_catalog.concat_ws(' ', a.attrelid, a.attnum, a.atttypid)
    from pg_catalog.pg_attribute a where a.attrelid operator(pg_catalog.=) any (${counted}) and a.attname operator(pg_catalog.=) 'id'`,
    // A view or a policy that is replaced has another row, by another transaction.
    `select 'fact', pg_catalog.concat_ws(' ', w.oid, w.xmin) from pg_catalog.pg_rewrite w where w.ev_class operator(pg_catalog.=) any (${counted})`,
    // For whom a policy holds changes with memberships as well.
    `select 'fact', pg_catalog.concat_ws(' ', o.oid, o.xmin, (select pg_catalog.array_agg(pg_catalog.pg_has_role(${role}, m.role, 'MEMBER'))
      from pg_catalog.unnest(o.polroles) m (role) where m.role operator(pg_catalog.<>) 0))
    from pg_catalog.pg_policy o where o.polrelid operator(pg_catalog.=) any (${counted})`,
    'select \'fact\', pg_catalog.concat_ws(\' \', s.setdatabase, s.setrole, s.setconfig) from pg_catalog.pg_db_role_setting s',
    ...(functions.length === 0 ? [] : [`select 'fact', pg_catalog.concat_ws(' ', p.oid, p.xmin) from pg_catalog.pg_proc p where p.oid operator(pg_catalog.=) any (${listOf(functions)})`]),
    ...(readers.length === 0
      ? []
      : [`select 'fact', pg_catalog.concat_ws(' ', r.oid, r.rolsuper, r.rolbypassrls, c.oid, pg_catalog.pg_has_role(r.oid, c.relowner, 'USAGE'))
        from pg_catalog.pg_roles r cross join pg_catalog.pg_class c
        where r.oid operator(pg_catalog.=) any (${listOf(readers)}) and c.oid operator(pg_catalog.=) any (${counted})`])
  ]
}

/** The facts among the rows of an answer, as one text that is the same as long as they are. */
export function readFacts (rows: readonly Row[]): string {
  return rows.filter(({ kind }) => kind === 'fact').map(({ id }) => String(id)).toSorted().join('\n')
}

/** Reads the facts for a role in a statement of their own. */
export async function readFingerprint (connection: Pick<PgConnection, 'run'>, role: string, counted: Counted): Promise<string> {
  return readFacts(await connection.run(selectFacts({ role: CHECKED_ROLE, counted }).join(' union all '), [role]))
}
