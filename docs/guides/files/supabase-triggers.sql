-- What changed in the database reaches open connections at once: who joins or leaves a team has its rights asked for again, and a
-- change of a task is an event of that task. Needs the extension pg_net (Database, Extensions), and in Vault two secrets:
--   select vault.create_secret('https://gateway.example.com', 'portcullis_url');
--   select vault.create_secret('the value of PUBLISH_KEY', 'portcullis_publish_key');
-- It can be run again.

create schema if not exists portcullis;

-- Sends a request after the transaction has ended, and only if it commits: pg_net sees to that. Nobody else may call it.
create or replace function portcullis.post (path text, body jsonb) returns void
language sql security definer set search_path = ''
as $$
  select net.http_post(
    url := (select decrypted_secret from vault.decrypted_secrets where name = 'portcullis_url') || path,
    body := body,
    headers := jsonb_build_object(
      'Content-Type', 'application/json',
      'X-Publish-Key', (select decrypted_secret from vault.decrypted_secrets where name = 'portcullis_publish_key')
    )
  )
$$;
revoke execute on function portcullis.post from public, anon, authenticated;

create or replace function portcullis.on_membership () returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  if tg_op <> 'INSERT' then perform portcullis.post('/v1/recheck', jsonb_build_object('user_id', old.user_id)); end if;
  if tg_op <> 'DELETE' then perform portcullis.post('/v1/recheck', jsonb_build_object('user_id', new.user_id)); end if;
  return null;
end $$;

create or replace function portcullis.on_task () returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  perform portcullis.post('/v1/publish', jsonb_build_object(
    'topic', 'task:' || coalesce(new.id, old.id),
    'event', lower(tg_op),
    'data', to_jsonb(new)
  ));
  return null;
end $$;

create or replace trigger portcullis_membership after insert or update or delete on public.team_members
  for each row execute function portcullis.on_membership();
create or replace trigger portcullis_task after insert or update or delete on public.tasks
  for each row execute function portcullis.on_task();
