import { once } from 'node:events'
import { copyFile, writeFile, chmod, chown } from 'node:fs/promises'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { join } from 'node:path'
import postgres from 'postgres'
import t, { type Test } from 'tap'
import { describeAccessFault, type AccessFault } from '../../../src/access/access-fault.js'
import { createPostgresAuthorizer, type PostgresAccessSettings, type PostgresAuthorizer } from '../../../src/access/postgres/authorizer.js'
import { makeCertificate } from '../../support/certificate.js'
import { findFreePort } from '../../support/free-port.js'
import { findAccount, startPostgres } from '../../support/postgres.js'
import { until } from '../../support/until.js'
import { identityOf } from '../identity-of.js'

const server = await startPostgres(t)
const sample = await server.createSample('sample')
const owner = postgres(server.url('postgres', sample), { max: 1, onnotice: () => {} })
t.teardown(() => owner.end({ timeout: 1 }))
const RELATIONS = { agents: 'public.agents', tasks: 'public.tasks' }
const LOGIN = server.url('portcullis_login', sample)

function createAuthorizer (t: Test, more: Partial<PostgresAccessSettings> = {}): PostgresAuthorizer {
  const authorizer = createPostgresAuthorizer({
    url: LOGIN, role: 'authenticated', relations: RELATIONS, poolSize: 2, checkTimeoutMs: 60_000, cacheMs: 0, ...more
  }, { now: () => performance.now() })
  t.teardown(() => authorizer.close())
  return authorizer
}

/** Why a start does not reach the database; null: it does. */
async function startFault (t: Test, url: string, more: Partial<PostgresAccessSettings> = {}): Promise<AccessFault | null> {
  return await createAuthorizer(t, { url, ...more }).start().then(() => null, describeAccessFault)
}

/** A server that is no database. */
async function listen (t: Test, answer: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>()
  const listener = createServer((socket) => {
    sockets.add(socket.on('error', () => {}))
    answer(socket)
  }).listen(0, '127.0.0.1')
  await once(listener, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    listener.close()
  })
  return (listener.address() as AddressInfo).port
}

/** Has the server read its settings anew; resolves once it has. */
async function reload (): Promise<void> {
  const read = async (): Promise<unknown> => (await server.admin`select pg_conf_load_time()::text as at`)[0]?.['at']
  const before = await read()
  await server.admin`select pg_reload_conf()`
  await until('the settings were read anew', async () => await read() !== before)
}

async function whereIs (setting: string): Promise<string> {
  return String((await server.admin.unsafe(`show ${setting}`))[0]?.[setting])
}

t.test('each way in which a database is not reached has its own word', async (t) => {
  const hanging = await listen(t, (socket) => { socket.resume() })
  const rude = await listen(t, (socket) => { socket.end() })
  const at = (host: string): string => `postgres://portcullis_login@${host}/${sample}`
  t.match(await startFault(t, at('no-such-host.invalid')), { reason: 'name_not_found', code: /^(ENOTFOUND|EAI_AGAIN)$/ })
  t.same(await startFault(t, at(`127.0.0.1:${await findFreePort()}`)), { reason: 'connection_refused', code: 'ECONNREFUSED' })
  t.same(await startFault(t, at(`127.0.0.1:${hanging}`), { checkTimeoutMs: 200 }), { reason: 'timeout', code: null })
  t.match(await startFault(t, at(`127.0.0.1:${rude}`)), { reason: 'connection_lost' })
  t.match(await startFault(t, `${LOGIN}?sslmode=require`), { reason: 'tls' }, 'it speaks no TLS')
  t.same(await startFault(t, server.url('portcullis_login', 'nothing')), { reason: 'database_missing', code: '3D000' })
  await server.admin`alter role portcullis_login connection limit 0`
  t.same(await startFault(t, LOGIN), { reason: 'too_many_connections', code: '53300' })
  await server.admin`alter role portcullis_login connection limit -1`
  t.equal(await startFault(t, LOGIN), null)
})

t.test('a wrong password is another word than a login that is not let in', async (t) => {
  const file = await whereIs('hba_file')
  const write = async (lines: string): Promise<void> => {
    await writeFile(file, `host all postgres 127.0.0.1/32 trust\n${lines}\n`)
    await reload()
  }
  await server.admin`alter role portcullis_login password 'the right one'`
  await write('host all all 127.0.0.1/32 scram-sha-256')
  const withPassword = (password: string): string => LOGIN.replace('portcullis_login@', `portcullis_login:${password}@`)
  t.same(await startFault(t, withPassword('wrong')), { reason: 'wrong_password', code: '28P01' })
  t.equal(await startFault(t, withPassword('the%20right%20one')), null)
  await write('host all portcullis_login 127.0.0.1/32 reject')
  t.same(await startFault(t, LOGIN), { reason: 'login_refused', code: '28000' })
  await write('host all all 127.0.0.1/32 trust')
})

t.test('TLS is verified by sslrootcert, and what fails is called so', async (t) => {
  const [certificate, other, elsewhere, account] = await Promise.all([makeCertificate(t), makeCertificate(t), makeCertificate(t, 'DNS:db.example'), findAccount()])
  const folder = await whereIs('data_directory')
  const serve = async ({ certFile, keyFile }: typeof certificate): Promise<void> => {
    for (const [from, to] of [[certFile, 'server.crt'], [keyFile, 'server.key']] as const) {
      await copyFile(from, join(folder, to))
      await chmod(join(folder, to), 0o600)
      if (account.uid !== undefined && account.gid !== undefined) await chown(join(folder, to), account.uid, account.gid)
    }
    await server.admin`alter system set ssl = on`
    await reload()
  }
  await serve(certificate)
  const url = (mode: string, file?: string): string => `${LOGIN}?sslmode=${mode}${file === undefined ? '' : `&sslrootcert=${encodeURIComponent(file)}`}`
  t.equal(await startFault(t, url('verify-full', certificate.certFile)), null)
  t.match(await startFault(t, url('verify-full', other.certFile)), { reason: 'tls' })
  t.match(await startFault(t, url('verify-full')), { reason: 'tls', code: 'DEPTH_ZERO_SELF_SIGNED_CERT' })
  t.match(await startFault(t, url('require', other.certFile)), { reason: 'tls' }, 'with an authority, as in libpq, it counts')
  t.equal(await startFault(t, url('require')), null)
  await serve(elsewhere)
  t.match(await startFault(t, url('verify-full', elsewhere.certFile)), { reason: 'tls', code: 'ERR_TLS_CERT_ALTNAME_INVALID' })
  t.equal(await startFault(t, url('verify-ca', elsewhere.certFile)), null, 'its name does not count there')
  await server.admin`alter system set ssl = off`
  await reload()
})

t.test('each way in which a policy fails has its own word and its SQLSTATE, and nothing of what it says', async (t) => {
  await owner.unsafe(`
    create table public.odd (id text primary key); insert into public.odd values ('o1');
    alter table public.odd enable row level security; grant select on public.odd to authenticated;
    create table public.hidden (id text); create sequence public.counter;
    create function public.judge () returns boolean language plpgsql volatile as 'begin return true; end';
    create policy judge on public.odd for select to authenticated using (public.judge())`)
  const authorizer = createAuthorizer(t, { relations: { ...RELATIONS, agents: 'public.odd' } })
  await authorizer.start()
  const bodies: ReadonlyArray<readonly [string, string, string]> = [
    ['raise exception \'the-secret\' using detail = \'the-secret\'', 'policy_raised', 'P0001'],
    ['raise exception \'the-secret\' using errcode = \'ZZ999\'', 'query_failed', 'ZZ999'],
    ['return (select count(*) > 0 from public.hidden)', 'denied', '42501'],
    ['return (select count(*) > 0 from public.nothing)', 'missing', '42P01'],
    ['return public.dead_function()', 'missing', '42883'],
    ['return \'the-secret\'::int > 0', 'bad_value', '22P02'],
    ['insert into public.hidden values (1); return true', 'writes', '25006']
  ]
  for (const [body, reason, code] of bodies) {
    await owner.unsafe(`create or replace function public.judge () returns boolean language plpgsql volatile as $$ begin ${body}; end $$`)
    const error: unknown = await Promise.resolve(authorizer.visible(identityOf('alice'), 'unused', { agents: ['o1'], tasks: [] }, { fresh: true })).catch((error: unknown) => error)
    t.same(describeAccessFault(error), { reason, code }, body)
    t.notMatch(JSON.stringify(error) + String(error instanceof Error ? error.stack : ''), 'the-secret')
  }
})

t.test('a server that sends no SQLSTATE cannot write into what is said', async (t) => {
  const field = (type: string, text: string): Buffer => Buffer.from(`${type}${text}\0`)
  const body = Buffer.concat([field('S', 'ERROR'), field('C', '\u001b[2J-much-longer-than-a-code'), field('M', 'made up'), Buffer.from('\0')])
  const head = Buffer.alloc(5)
  head.write('E')
  head.writeInt32BE(body.length + 4, 1)
  const liar = await listen(t, (socket) => { socket.once('data', () => { socket.end(Buffer.concat([head, body])) }) })
  t.same(await startFault(t, `postgres://portcullis_login@127.0.0.1:${liar}/${sample}`), { reason: 'unknown', code: null })
})

t.test('while it is away, each refusal says why it is', async (t) => {
  const port = await findFreePort()
  const authorizer = createAuthorizer(t, { url: `postgres://portcullis_login@127.0.0.1:${port}/${sample}` })
  const ask = async (): Promise<unknown> => await Promise.resolve(authorizer.visible(identityOf('alice'), 'unused', { agents: ['a'], tasks: [] }, { fresh: true })).catch((error: unknown) => error)
  await until('it is not asked again yet', async () => /not asked again yet/.test(String(await ask())))
  t.same(describeAccessFault(await ask()), { reason: 'connection_refused', code: 'ECONNREFUSED' })
})
