import { KINDS, mapKinds, type ByKind } from '../../kinds.js'
import { AccessError, UnsafeDatabaseError } from '../access-error.js'
import type { IdShape } from '../id-shapes.js'
import { begin } from './begin.js'
import type { PgConnection, Row } from './connection.js'
import { judgePolicyTables } from './policy-tables.js'
import { RELATIONS } from './relations.js'
import { readFingerprint, type Counted } from './safeguard-facts.js'
import { describeWriters } from './search-path.js'
import { describeDefaults, findDefaultFaults, readSessionDefaults } from './session-defaults.js'
import type { QualifiedName } from '../qualified-name.js'

export interface Guarded extends ByKind<QualifiedName> {
  /** The role that checks run as. */
  readonly role: string
  /** Names of the settings that the address gives to each session. */
  readonly startup: readonly string[]
  /** What policies read, and what was under row security when this process looked before, by oid and by name: it is noted here. */
  readonly seenSecured: Set<string>
}

/** The shape of each relation's ids. */
export type TableFacts = ByKind<IdShape>

/** What a connection's inspection found when it found no fault. */
export interface Inspection {
  readonly facts: TableFacts
  readonly counted: Counted
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

const SHAPES: Readonly<Record<string, IdShape>> = {
  uuid: 'uuid', bigint: 'bigint', integer: 'integer', smallint: 'smallint', text: 'text', 'character varying': 'text'
}

/**
 * Looks whether Row Level Security really decides on this connection: neither role stands above it, every relation and
 * all beneath it are under it, and no default of a session speaks for the user. Tables that policies read may do without it, where
 * the policy itself looks who asks: only one that loses it under this process is a fault. Rejects with `UnsafeDatabaseError`,
 * which names every fault at once.
 */
export async function inspectSafeguards (connection: PgConnection, guarded: Guarded): Promise<Inspection> {
  const { role, startup, seenSecured } = guarded
  const names = KINDS.flatMap(({ claim }) => [guarded[claim].schema, guarded[claim].name])
  const [, [session], , found] = await Promise.all([
    // One snapshot: the fingerprint is of what is judged, also where it is changed and changed back meanwhile.
    connection.run(begin('repeatable read')),
    connection.run('select pg_catalog.current_setting(\'search_path\') as path'),
    connection.run(OWN_PATH), connection.run(RELATIONS, [role, ...names])
  ])
  const counted = countedOf(found)
  const { oids } = counted
  const [fingerprint, relations, roles, defaults, writers, after] = await Promise.all([
    readFingerprint(connection, role, counted), connection.run(RELATIONS, [role, ...names]), connection.run(ROLES, [role]),
    readSessionDefaults(connection, { startup, oids }), describeWriters(connection, { path: String(session?.['path']), role, oids }),
    // Who is a member of what is no matter of a snapshot: what was judged in between has the same answers as both.
    readFingerprint(connection, role, counted)
  ])
  if (after !== fingerprint) throw new AccessError('changed', 'the database was changed during an inspection', { answered: true })
  await connection.run('rollback')
  const reasons = new Set([
    ...findRoleFaults(roles, role), ...findMissing(relations, guarded),
    ...relations.filter(({ rests }) => rests !== true).flatMap(findRelationFaults), ...findDefaultFaults(defaults)
  ])
  const policyTables = judgePolicyTables(relations, seenSecured)
  for (const fault of policyTables.faults) reasons.add(fault)
  if (reasons.size > 0) throw new UnsafeDatabaseError([...reasons])
  const facts = mapKinds(({ claim }) => {
    const named = relations.find((relation) => relation['kind'] === claim && relation['named'] === true)
    const shape = SHAPES[String(named?.['id_type'])]
    if (shape === undefined) throw new UnsafeDatabaseError([...reasons])
    return shape
  })
  for (const key of policyTables.secured) seenSecured.add(key)
  return { facts, counted, fingerprint, notes: [...describeDefaults(defaults), ...writers, ...policyTables.notes] }
}

function countedOf (relations: readonly Row[]): Counted {
  const distinct = (oids: readonly unknown[]): string[] => [...new Set(oids.map(String))].toSorted()
  return {
    oids: distinct(relations.filter(row => row['is_function'] !== true).map(({ oid }) => oid)),
    functions: distinct(relations.filter(row => row['is_function'] === true).map(({ oid }) => oid)),
    readers: distinct(relations.filter(row => row['as_checked'] !== true).map(row => row['reader_oid']))
  }
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
