import { KINDS, type Kind } from '../../kinds.js'

/** The schema and the name of a kind's relation, numbered after the role. */
const wantedRow = ({ claim }: Kind, at: number): string => `('${claim}', $${2 + 2 * at}::text, $${3 + 2 * at}::text)`

const A_CLASS = '\'pg_catalog.pg_class\'::regclass'
const A_FUNCTION = '\'pg_catalog.pg_proc\'::regclass'
const A_POLICY = '\'pg_catalog.pg_policy\'::regclass'
const A_RULE = '\'pg_catalog.pg_rewrite\'::regclass'
const RELATION_KINDS = '(\'r\', \'p\', \'v\', \'m\', \'f\')'
/** The role that checks run as; 0 where there is none of that name. */
const CHECKED = 'coalesce((select k.oid from checked k), 0)'

/** Whether a view is read with the rights of who asks. */
const isInvoker = (view: string): string =>
  `coalesce((select o.option_value::boolean from pg_catalog.pg_options_to_table(${view}.reloptions) o where o.option_name = 'security_invoker'), false)`

/** Whether row security decides what a role reads of a table: not for its owner, unless it is forced, nor for a role above it. */
const isHeld = (table: string, role: string): string =>
  `(${table}.relrowsecurity and (${table}.relforcerowsecurity or not pg_catalog.pg_has_role(${role}, ${table}.relowner, 'USAGE'))
    and not exists (select from pg_catalog.pg_roles above where above.oid = ${role} and (above.rolsuper or above.rolbypassrls)))`

/** The relations that a view's rule, or a function written in SQL's own form, names. */
const namedBy = (classOf: string, objects: string): string =>
  `pg_catalog.pg_depend d join pg_catalog.pg_class u on u.oid = d.refobjid and u.relkind in ${RELATION_KINDS}
    where d.classid = ${classOf} and d.refclassid = ${A_CLASS} and d.objid in (${objects})`
const rulesOf = (view: string): string => `select w.oid from pg_catalog.pg_rewrite w where w.ev_class = ${view}.oid`

/**
 * The relation of each kind (its schema and its name, after the role, are the parameters) and, beneath views, all that it reads; and
 * what the policies of tables name that hold for the role which reads them (`rests`): tables, views, and functions whose body Postgres
 * keeps as a tree (`begin atomic`). Each is met once for each role that reads it: the checked one, or the owner of a view without
 * security_invoker, or of a function with security definer, on the way. What stands in the text of a function is not seen.
 */
export const RELATIONS = `
with recursive checked as (
  select r.oid from pg_catalog.pg_roles r where r.rolname::text = $1
), wanted (kind, schema, name) as (
  values ${KINDS.map(wantedRow).join(', ')}
), named as (
  select w.kind, c.oid
  from wanted w
  join pg_catalog.pg_namespace n on n.nspname = w.schema
  join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = w.name and c.relkind in ${RELATION_KINDS}
), seen (class, oid, reader, rests) as (
  select ${A_CLASS}::oid, n.oid, ${CHECKED}, false from named n
  union
  select d.refclassid, d.refobjid, b.reader, b.rests or d.refclassid = ${A_FUNCTION}
  from seen s
  cross join lateral (
    select ${A_RULE}::oid, w.oid, case when ${isInvoker('v')} or not s.rests then ${CHECKED} else v.relowner end, s.rests
    from pg_catalog.pg_class v join pg_catalog.pg_rewrite w on w.ev_class = v.oid
    where s.class = ${A_CLASS} and v.oid = s.oid and v.relkind = 'v'
    union all
    select ${A_POLICY}::oid, o.oid, s.reader, true
    from pg_catalog.pg_policy o join pg_catalog.pg_class c on c.oid = o.polrelid
    where s.class = ${A_CLASS} and o.polrelid = s.oid and o.polcmd in ('r', '*')
      and (0 = any (o.polroles) or exists (select from pg_catalog.unnest(o.polroles) m (role) where pg_catalog.pg_has_role(s.reader, m.role, 'MEMBER')))
      and (s.reader = ${CHECKED} or ${isHeld('c', 's.reader')})
    union all
    select ${A_FUNCTION}::oid, p.oid, case when p.prosecdef then p.proowner else ${CHECKED} end, true
    from pg_catalog.pg_proc p
    where s.class = ${A_FUNCTION} and p.oid = s.oid
  ) b (class, oid, reader, rests)
  join pg_catalog.pg_depend d on d.classid = b.class and d.objid = b.oid and d.refclassid in (${A_CLASS}, ${A_FUNCTION})
  where d.refobjid <> s.oid or d.refclassid <> s.class
)
select n.kind, s.oid::text as oid, s.class = ${A_FUNCTION} as is_function, n.kind is not null as named, s.rests, s.reader = ${CHECKED} as as_checked,
  s.reader::text as reader_oid, pg_catalog.pg_get_userbyid(s.reader)::text as reader,
  l.nspname || '.' || coalesce(c.relname, p.proname) as name, c.relkind::text as relkind, c.relrowsecurity as secured, i.invoker,
  case
    when s.class = ${A_FUNCTION} then not p.prosecdef
      or coalesce((select pg_catalog.bool_and(${isHeld('u', 'p.proowner')}) from ${namedBy(A_FUNCTION, 'p.oid')} and u.relkind <> 'v'), true)
    when c.relkind = 'v' then i.invoker
      or coalesce((select pg_catalog.bool_and(${isHeld('u', 'c.relowner')}) from ${namedBy(A_RULE, rulesOf('c'))} and u.relkind <> 'v'), true)
    when s.reader = ${CHECKED} then c.relrowsecurity and not w.owned
    else ${isHeld('c', 's.reader')}
  end as held,
  c.relkind = 'v' and exists (select from ${namedBy(A_RULE, rulesOf('c'))} and u.oid <> c.oid) as reads_tables,
  w.owned,
  pg_catalog.format_type(a.atttypid, null) as id_type,
  coalesce(pg_catalog.has_schema_privilege(k.oid, l.oid, 'USAGE')
    and pg_catalog.has_column_privilege(k.oid, c.oid, a.attnum, 'SELECT'), false) as readable
from seen s
left join named n on s.class = ${A_CLASS} and n.oid = s.oid and not s.rests
left join pg_catalog.pg_class c on s.class = ${A_CLASS} and c.oid = s.oid
left join pg_catalog.pg_proc p on s.class = ${A_FUNCTION} and p.oid = s.oid
join pg_catalog.pg_namespace l on l.oid = coalesce(c.relnamespace, p.pronamespace)
left join checked k on true
left join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attname = 'id' and a.attnum > 0 and not a.attisdropped
cross join lateral (select c.relkind = 'v' and ${isInvoker('c')} as invoker) i
cross join lateral (select exists (select from pg_catalog.pg_roles r where (r.rolname = session_user or r.oid = k.oid)
  and pg_catalog.pg_has_role(r.oid, c.relowner, 'MEMBER')) as owned) w
where p.oid is not null or c.relkind in ${RELATION_KINDS}
order by named desc, n.kind, name, reader`
