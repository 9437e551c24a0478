-- Two tenants for the sample schema: alice is in Acme, bob in Globex, carol in both. Can be run again.
-- Ids are made to be read: the first digits tell the tenant (a: Acme, b: Globex, 0: none), the last ones the row.

begin;

insert into public.organizations (id, name) values
  ('a0000000-0000-4000-8000-000000000001', 'Acme'),
  ('b0000000-0000-4000-8000-000000000001', 'Globex')
on conflict do nothing;

insert into public.memberships (organization_id, user_id) values
  ('a0000000-0000-4000-8000-000000000001', 'alice'),
  ('b0000000-0000-4000-8000-000000000001', 'bob'),
  ('a0000000-0000-4000-8000-000000000001', 'carol'),
  ('b0000000-0000-4000-8000-000000000001', 'carol')
on conflict do nothing;

insert into public.projects (id, organization_id, name) values
  ('a0000000-0000-4000-8000-000000000011', 'a0000000-0000-4000-8000-000000000001', 'Rockets'),
  ('b0000000-0000-4000-8000-000000000011', 'b0000000-0000-4000-8000-000000000001', 'Robots'),
  ('00000000-0000-4000-8000-000000000011', null, 'Nobody''s project')
on conflict do nothing;

insert into public.agents (id, project_id, name) values
  ('a0000000-0000-4000-8000-0000000000a1', 'a0000000-0000-4000-8000-000000000011', 'Acme''s planner'),
  ('a0000000-0000-4000-8000-0000000000a2', 'a0000000-0000-4000-8000-000000000011', 'Acme''s builder'),
  ('b0000000-0000-4000-8000-0000000000a1', 'b0000000-0000-4000-8000-000000000011', 'Globex''s planner'),
  ('00000000-0000-4000-8000-0000000000a1', null, 'an agent without a project'),
  ('00000000-0000-4000-8000-0000000000a2', '00000000-0000-4000-8000-000000000011', 'an agent without a tenant')
on conflict do nothing;

insert into public.tickets (id, project_id, title) values
  ('a0000000-0000-4000-8000-000000000021', 'a0000000-0000-4000-8000-000000000011', 'It does not fly'),
  ('b0000000-0000-4000-8000-000000000021', 'b0000000-0000-4000-8000-000000000011', 'It walks in circles'),
  ('00000000-0000-4000-8000-000000000021', null, 'a ticket without a project')
on conflict do nothing;

insert into public.tasks (id, ticket_id, title) values
  ('a0000000-0000-4000-8000-0000000000f1', 'a0000000-0000-4000-8000-000000000021', 'Find out why'),
  ('a0000000-0000-4000-8000-0000000000f2', 'a0000000-0000-4000-8000-000000000021', 'Fill the tank'),
  ('b0000000-0000-4000-8000-0000000000f1', 'b0000000-0000-4000-8000-000000000021', 'Turn the left motor round'),
  ('00000000-0000-4000-8000-0000000000f1', null, 'a task without a ticket'),
  ('00000000-0000-4000-8000-0000000000f2', '00000000-0000-4000-8000-000000000021', 'a task without a tenant')
on conflict do nothing;

commit;
