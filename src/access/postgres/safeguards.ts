import { KINDS, mapKinds, type ByKind, type Kind } from '../../kinds.js'
import { UnsafeDatabaseError } from '../access-error.js'
import type { IdShape } from '../id-shapes.js'
import { begin } from './begin.js'
import type { PgConnection, Row } from './connection.js'
import { readFingerprint } from './safeguard-facts.js'
import { describeWriters } from './search-path.js'
import { describeDefaults, findDefaultFaults, readSessionDefaults } from './session-defaults.js'
import type { QualifiedName } from '../qualified-name.js'

export interface Guarded extends ByKind<QualifiedName> {
  /** The role that checks run as. */
  readonly role: string
  /** Names of the settings with a dot that the address gives to each session. */
  readonly startup: readonly string[]
}

/** The shape of each relation's ids. */
export type TableFacts = ByKind<IdShape>

/** What a connection's inspection found when it found no fault. */
export interface Inspection {
  readonly facts: TableFacts
  /** Every relation that counts: those of the settings, and all beneath them where they are views. */
  readonly oids: readonly string[]
  /** What all of this rests on in the catalog: with another one, all of it may be another. */
  readonly fingerprint: string
  /** For operators: what is no fault by itself and should be looked at. */
  readonly notes: readonly string[]
}

/** No operator, function or type but those of Postgres itself is found: what others define runs nowhere in an inspection. */
const OWN_PATH = 'select pg_catalog.set_config(\'search_path\', \'pg_catalog, pg_temp\', true)'

const ROLES = `
select r.rolname::text as name, r.rolname = session_user as login, r.rolname::text = $1 as checked, r.rolsuper as superuser,
  r.rolbypassrls as bypasses,
  -- From version 16 on, a member may have been denied SET ROLE.
  pg_catalog.pg_has_role(session_user, r.oid,
    case when pg_catalog.current_setting('server_version_num')::int >= 160000 then 'SET' else 'MEMBER' end) as settable
from pg_catalog.pg_roles r
where r.rolname = session_user or r.rolname::text = $1`

/** The schema and the name of a kind's relation, numbered after the role. */
const wantedRow = ({ claim }: Kind, at: number): string => `('${claim}', $${2 + 2 * at}::text, $${3 + 2 * at}::text)`

/** The relation of each kind and, beneath views, all that it reads. */
const RELATIONS = `
with recursive wanted (kind, schema, name) as (
  values ${KINDS.map(wantedRow).join(', ')}
), seen (kind, oid, parent) as (
  select w.kind, c.oid, null::oid
  from wanted w
  join pg_catalog.pg_namespace n on n.nspname = w.schema
  join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = w.name and c.relkind in ('r', 'p', 'v', 'm', 'f')
  union
  select s.kind, u.oid, s.oid
  from seen s
  join pg_catalog.pg_class v on v.oid = s.oid and v.relkind = 'v'
  join pg_catalog.pg_rewrite w on w.ev_class = v.oid
  join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_rewrite'::regclass and d.objid = w.oid
    and d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid <> v.oid
  join pg_catalog.pg_class u on u.oid = d.refobjid and u.relkind in ('r', 'p', 'v', 'm', 'f')
), checked as (
  select r.oid from pg_catalog.pg_roles r where r.rolname::text = $1
)
select s.kind, s.oid::text as oid, s.parent is null as named, n.nspname || '.' || c.relname as name, c.relkind::text as relkind, c.relrowsecurity as secured,
  coalesce((select o.option_value::boolean from pg_catalog.pg_options_to_table(c.reloptions) o where o.option_name = 'security_invoker'), false)
    as invoker,
  exists (select from seen below where below.parent = c.oid) as reads_tables,
  exists (select from pg_catalog.pg_roles r where (r.rolname = session_user or r.oid = k.oid)
    and pg_catalog.pg_has_role(r.oid, c.relowner, 'MEMBER')) as owned,
  pg_catalog.format_type(a.atttypid, null) as id_type,
  coalesce(pg_catalog.has_schema_privilege(k.oid, n.oid, 'USAGE')
    and pg_catalog.has_column_privilege(k.oid, c.oid, a.attnum, 'SELECT'), false) as readable
from seen s
join pg_catalog.pg_class c on c.oid = s.oid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
left join checked k on true
left join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attname = 'id' and a.attnum > 0 and not a.attisdropped
order by named desc, s.kind, name`

const SHAPES: Readonly<Record<string, IdShape>> = {
  uuid: 'uuid', bigint: 'bigint', integer: 'integer', smallint: 'smallint', text: 'text', 'character varying': 'text'
}

/**
 * Looks whether Row Level Security really decides on this connection: neither role stands above it, every relation and
 * all beneath it are under it, and no default of a session speaks for the user. Rejects with `UnsafeDatabaseError`, which
 * names every fault at once.
 */
export async function inspectSafeguards (connection: PgConnection, guarded: Guarded): Promise<Inspection> {
  const { role, startup } = guarded
  const names = KINDS.flatMap(({ claim }) => [guarded[claim].schema, guarded[claim].name])
  const [, [session], , relations] = await Promise.all([
    // One snapshot: the fingerprint is of what is judged, also where it is changed and changed back meanwhile.
    connection.run(begin('repeatable read')),
    connection.run('select pg_catalog.current_setting(\'search_path\') as path'),
    connection.run(OWN_PATH), connection.run(RELATIONS, [role, ...names])
  ])
  const oids = oidsOf(relations)
  const [fingerprint, roles, defaults, writers] = await Promise.all([
    readFingerprint(connection, role, oids), connection.run(ROLES, [role]), readSessionDefaults(connection, startup),
    describeWriters(connection, { path: String(session?.['path']), role, oids })
  ])
  await connection.run('rollback')
  const reasons = new Set([
    ...findRoleFaults(roles, role), ...findMissing(relations, guarded),
    ...relations.flatMap(findRelationFaults), ...findDefaultFaults(defaults)
  ])
  if (reasons.size > 0) throw new UnsafeDatabaseError([...reasons])
  const facts = mapKinds(({ claim }) => {
    const named = relations.find((relation) => relation['kind'] === claim && relation['named'] === true)
    const shape = SHAPES[String(named?.['id_type'])]
    if (shape === undefined) throw new UnsafeDatabaseError([...reasons])
    return shape
  })
  return { facts, oids, fingerprint, notes: [...describeDefaults(defaults), ...writers] }
}

function oidsOf (relations: readonly Row[]): string[] {
  return [...new Set(relations.map(({ oid }) => String(oid)))].toSorted()
}

function findRoleFaults (roles: readonly Row[], role: string): string[] {
  const faults = roles.flatMap((found) => {
    const name = found['checked'] === true ? `WS_PG_ROLE ${role}` : `the login role ${String(found['name'])}`
    return [
      found['superuser'] === true ? [`${name} is superuser`] : [],
      found['bypasses'] === true ? [`${name} has BYPASSRLS`] : [],
      found['checked'] === true && found['settable'] !== true ? [`the login role may not take the role ${role}: grant it`] : []
    ].flat()
  })
  return roles.some((found) => found['checked'] === true) ? faults : [...faults, `WS_PG_ROLE ${role} does not exist`]
}

function findMissing (relations: readonly Row[], guarded: Guarded): string[] {
  return KINDS
    .filter(({ claim }) => !relations.some((relation) => relation['kind'] === claim))
    .map(({ claim }) => `${guarded[claim].schema}.${guarded[claim].name} does not exist`)
}

function findRelationFaults (relation: Row): string[] {
  const name = String(relation['name'])
  const faults = relation['relkind'] === 'v' ? findViewFaults(relation, name) : findTableFaults(relation, name)
  if (relation['owned'] === true) faults.push(`the login role or WS_PG_ROLE owns ${name}, or is a member of its owner`)
  if (relation['named'] !== true) return faults
  const type = relation['id_type']
  if (typeof type !== 'string') faults.push(`${name} has no column id`)
  else if (SHAPES[type] === undefined) faults.push(`the column id of ${name} is ${type}: it must be ${Object.keys(SHAPES).join(', ')}`)
  else if (relation['readable'] !== true) faults.push(`WS_PG_ROLE may not read ${name}`)
  return faults
}

function findViewFaults (relation: Row, name: string): string[] {
  if (relation['invoker'] !== true) return [`${name} is a view without security_invoker: it shows what its owner may see`]
  return relation['reads_tables'] === true ? [] : [`${name} is a view that reads no table: row level security cannot protect it`]
}

function findTableFaults (relation: Row, name: string): string[] {
  if (relation['relkind'] === 'm') return [`${name} is a materialized view: row level security cannot protect it`]
  if (relation['relkind'] === 'f') return [`${name} is a foreign table: row level security cannot protect it`]
  return relation['secured'] === true ? [] : [`row level security is off on ${name}`]
}
