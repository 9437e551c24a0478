import { KINDS, type Kind } from '../../kinds.js'

/** The schema and the name of a kind's relation, numbered after the role. */
const wantedRow = ({ claim }: Kind, at: number): string => `('${claim}', $${2 + 2 * at}::text, $${3 + 2 * at}::text)`

/**
 * The relation of each kind (its schema and its name, after the role, are the parameters) and, beneath views, all that it reads; and
 * what the policies of tables name that hold for the checked role (`rests`). What a view reads as its owner, or a function reads,
 * is its author's matter.
 */
export const RELATIONS = `
with recursive checked as (
  select r.oid from pg_catalog.pg_roles r where r.rolname::text = $1
), wanted (kind, schema, name) as (
  values ${KINDS.map(wantedRow).join(', ')}
), relations as not materialized (
  select c.*, coalesce((select o.option_value::boolean from pg_catalog.pg_options_to_table(c.reloptions) o where o.option_name = 'security_invoker'), false)
    as invoker
  from pg_catalog.pg_class c where c.relkind in ('r', 'p', 'v', 'm', 'f')
), seen (kind, oid, parent, rests) as (
  select w.kind, c.oid, null::oid, false
  from wanted w
  join pg_catalog.pg_namespace n on n.nspname = w.schema
  join relations c on c.relnamespace = n.oid and c.relname = w.name
  union
  select s.kind, u.oid, s.oid, s.rests or b.rests
  from seen s
  cross join lateral (
    select d.refobjid as oid, false as rests
    from relations v
    join pg_catalog.pg_rewrite w on w.ev_class = v.oid
    join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_rewrite'::regclass and d.objid = w.oid and d.refclassid = 'pg_catalog.pg_class'::regclass
    where v.oid = s.oid and v.relkind = 'v' and (v.invoker or not s.rests)
    union all
    select d.refobjid, true
    from pg_catalog.pg_policy o
    join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_policy'::regclass and d.objid = o.oid and d.refclassid = 'pg_catalog.pg_class'::regclass
    where o.polrelid = s.oid and o.polcmd in ('r', '*')
      and (0 = any (o.polroles) or exists (select from checked k cross join lateral pg_catalog.unnest(o.polroles) m (role)
        where pg_catalog.pg_has_role(k.oid, m.role, 'MEMBER')))
  ) b
  join relations u on u.oid = b.oid and u.oid <> s.oid
)
select s.kind, s.oid::text as oid, s.parent is null as named, s.rests, n.nspname || '.' || c.relname as name, c.relkind::text as relkind, c.relrowsecurity as secured,
  c.invoker,
  exists (select from seen below where below.parent = c.oid) as reads_tables,
  exists (select from pg_catalog.pg_roles r where (r.rolname = session_user or r.oid = k.oid)
    and pg_catalog.pg_has_role(r.oid, c.relowner, 'MEMBER')) as owned,
  pg_catalog.format_type(a.atttypid, null) as id_type,
  coalesce(pg_catalog.has_schema_privilege(k.oid, n.oid, 'USAGE')
    and pg_catalog.has_column_privilege(k.oid, c.oid, a.attnum, 'SELECT'), false) as readable
from seen s
join relations c on c.oid = s.oid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
left join checked k on true
left join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attname = 'id' and a.attnum > 0 and not a.attisdropped
order by named desc, s.kind, name`
