-- A sample database for WS_AUTHORIZER=postgres (or supabase): who belongs to an organization sees the agents and tasks
-- of its projects. Run it as the owner of the tables, who is neither WS_PG_ROLE nor the login role. Can be run again.
--
--   organizations <- memberships (user_id: the token's sub)
--        ^
--     projects <- agents
--        ^
--     tickets <- tasks
--
-- A row with no tenant (a null on the way up) is visible to nobody.

begin;

do $roles$
begin
  if not exists (select from pg_roles where rolname = 'authenticated') then
    create role authenticated nologin noinherit;
  end if;
  -- Give it a password: alter role portcullis_login password '...'
  if not exists (select from pg_roles where rolname = 'portcullis_login') then
    create role portcullis_login login noinherit;
  end if;
end
$roles$;
grant authenticated to portcullis_login;

create schema if not exists app;

-- The user of the current transaction: what auth.uid() is on Supabase, for any text as sub. It is read with the path of the
-- session, so it names the schema of each operator: another role may have put its own on that path.
create or replace function app.user_id () returns text
language sql stable
as $$ select case when pg_catalog.current_setting('request.jwt.claims', true) operator(pg_catalog.<>) ''
  then pg_catalog.current_setting('request.jwt.claims', true)::pg_catalog.jsonb operator(pg_catalog.->>) 'sub' end $$;

create table if not exists public.organizations (
  id uuid primary key default gen_random_uuid(),
  name text not null
);
create table if not exists public.memberships (
  organization_id uuid not null references public.organizations on delete cascade,
  user_id text not null,
  primary key (user_id, organization_id)
);
create table if not exists public.projects (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid references public.organizations on delete cascade,
  name text not null
);
create table if not exists public.tickets (
  id uuid primary key default gen_random_uuid(),
  project_id uuid references public.projects on delete cascade,
  title text not null
);
create table if not exists public.tasks (
  id uuid primary key default gen_random_uuid(),
  ticket_id uuid references public.tickets on delete cascade,
  title text not null
);
create table if not exists public.agents (
  id uuid primary key default gen_random_uuid(),
  project_id uuid references public.projects on delete cascade,
  name text not null
);
create index if not exists memberships_organization on public.memberships (organization_id);
create index if not exists projects_organization on public.projects (organization_id);
create index if not exists tickets_project on public.tickets (project_id);
create index if not exists tasks_ticket on public.tasks (ticket_id);
create index if not exists agents_project on public.agents (project_id);

alter table public.organizations enable row level security;
alter table public.memberships enable row level security;
alter table public.projects enable row level security;
alter table public.tickets enable row level security;
alter table public.tasks enable row level security;
alter table public.agents enable row level security;

-- Each policy looks one step up: that step's own policy decides the rest. `(select app.user_id())` is evaluated once a query.
drop policy if exists own on public.memberships;
create policy own on public.memberships for select to authenticated
  using (user_id = (select app.user_id()));

drop policy if exists member on public.organizations;
create policy member on public.organizations for select to authenticated
  using (exists (select from public.memberships m where m.organization_id = organizations.id));

drop policy if exists tenant on public.projects;
create policy tenant on public.projects for select to authenticated
  using (exists (select from public.organizations o where o.id = projects.organization_id));

drop policy if exists tenant on public.tickets;
create policy tenant on public.tickets for select to authenticated
  using (exists (select from public.projects p where p.id = tickets.project_id));

drop policy if exists tenant on public.tasks;
create policy tenant on public.tasks for select to authenticated
  using (exists (select from public.tickets k where k.id = tasks.ticket_id));

drop policy if exists tenant on public.agents;
create policy tenant on public.agents for select to authenticated
  using (exists (select from public.projects p where p.id = agents.project_id));

grant usage on schema public, app to authenticated;
grant execute on function app.user_id () to authenticated;
grant select on public.organizations, public.memberships, public.projects, public.tickets, public.tasks, public.agents to authenticated;

commit;
