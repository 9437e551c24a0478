import type { PgConnection } from './connection.js'

const EVERY_ROLE = 'every role'

/** Who may create objects in schemas of these names, besides their owners, superusers and the roles that are ours. */
const WRITERS = `
select n.nspname::text as schema, coalesce(g.rolname::text, '${EVERY_ROLE}') as writer
from pg_catalog.pg_namespace n
cross join lateral pg_catalog.aclexplode(n.nspacl) a
left join pg_catalog.pg_roles g on g.oid = a.grantee
where n.nspname::text = any ($1::text[]) and a.privilege_type = 'CREATE' and a.grantee <> n.nspowner
  and (a.grantee = 0 or (not g.rolsuper and g.rolname <> session_user and g.rolname::text <> $2))
order by 1, 2`

/** Identifiers of a list, quoted or not. */
const NAMES = /"((?:[^"]|"")*)"|[^\s,"]+/g

/** The schemas that a `search_path` names; `"$user"` stands for each of the users. */
export function readSearchPath (path: string, users: readonly string[]): string[] {
  const names = [...path.matchAll(NAMES)].map(([plain, quoted]) => quoted?.replaceAll('""', '"') ?? plain.toLowerCase())
  return [...new Set(names.flatMap(name => name === '$user' ? users : [name]))]
}

/**
 * Looks who else may create in a schema on the path that policies are evaluated with, in a transaction that has nothing but
 * `pg_catalog` on its own path. Operators and functions that fit better than those of Postgres would run inside the policies
 * and their helpers. Resolves with sentences for operators.
 */
export async function describeWriters (connection: Pick<PgConnection, 'run'>, path: string, users: readonly [string, string]): Promise<string[]> {
  const schemas = readSearchPath(path, users)
  const rows = await connection.run(WRITERS, [listOf(schemas), users[1]])
  return rows.map((row) => {
    const [schema, writer] = [String(row['schema']), String(row['writer'])]
    return `${writer} may create in the schema ${schema}, which is on the search path of the policies (${path}): operators and functions there ` +
      `may run inside them: revoke create on schema ${schema} from ${writer === EVERY_ROLE ? 'public' : writer}`
  })
}

/** An array in Postgres's text form. */
function listOf (names: readonly string[]): string {
  return `{${names.map(name => JSON.stringify(name)).join(',')}}`
}
