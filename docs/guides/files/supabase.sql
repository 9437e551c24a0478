-- Agents and tasks that belong to teams, and policies by which a member sees a team's: for the SQL editor of a Supabase
-- project. docs/guides/supabase.md goes through it. Can be run again.

begin;

create table if not exists public.teams (
  id uuid primary key default gen_random_uuid(),
  name text not null
);
create table if not exists public.team_members (
  team_id uuid not null references public.teams on delete cascade,
  user_id uuid not null references auth.users on delete cascade,
  primary key (user_id, team_id)
);
create table if not exists public.agents (
  id uuid primary key default gen_random_uuid(),
  team_id uuid not null references public.teams on delete cascade,
  name text not null
);
create table if not exists public.tasks (
  id uuid primary key default gen_random_uuid(),
  team_id uuid not null references public.teams on delete cascade,
  title text not null
);
create index if not exists agents_team on public.agents (team_id);
create index if not exists tasks_team on public.tasks (team_id);

alter table public.teams enable row level security;
alter table public.team_members enable row level security;
alter table public.agents enable row level security;
alter table public.tasks enable row level security;

-- `(select auth.uid())` is evaluated once a query, not once a row. `to authenticated` leaves `anon` with no row.
drop policy if exists own on public.team_members;
create policy own on public.team_members for select to authenticated
  using (user_id = (select auth.uid()));

drop policy if exists member on public.teams;
create policy member on public.teams for select to authenticated
  using (id in (select team_id from public.team_members));

drop policy if exists member on public.agents;
create policy member on public.agents for select to authenticated
  using (team_id in (select team_id from public.team_members));

drop policy if exists member on public.tasks;
create policy member on public.tasks for select to authenticated
  using (team_id in (select team_id from public.team_members));

-- Supabase grants everything to `anon` and `authenticated` by default and leaves it to policies: reading is enough here.
revoke all on public.teams, public.team_members, public.agents, public.tasks from anon, authenticated;
grant select on public.teams, public.team_members, public.agents, public.tasks to authenticated;
-- No policy is for `anon`, so it sees ids only while row level security is off: by that the gateway knows it, with each answer.
grant select (id) on public.agents, public.tasks to anon;

commit;
