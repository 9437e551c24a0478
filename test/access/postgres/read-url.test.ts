import { writeFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { readDatabaseUrl } from '../../../src/access/postgres/read-url.js'
import { makeCertificate } from '../../support/certificate.js'

const SECRET = 'hunter2'

function reasonOf (url: string): string {
  try {
    readDatabaseUrl(url)
    return 'taken'
  } catch (error) {
    return error instanceof Error ? error.message : 'thrown'
  }
}

t.test('an address is read as it is written, encoded parts decoded', async (t) => {
  t.same(readDatabaseUrl('postgres://app%40eu:p%23%2F%3F%40%25@[::1]:6432/my%20db?application_name=gate&options=-c%20search_path%3Dapp&pgbouncer=true&channel_binding=prefer'), {
    host: '::1', port: 6432, user: 'app@eu', password: 'p#/?@%', database: 'my db', tls: false, startup: { application_name: 'gate', options: '-c search_path=app' }
  })
  t.same(readDatabaseUrl('postgresql://db.example'), { host: 'db.example', port: 5432, user: null, password: null, database: null, tls: false, startup: {} })
  t.match(readDatabaseUrl(`postgres://u:p@${SECRET}@h/db`), { host: 'h', password: `p@${SECRET}` }, 'the last @ is the one before the host')
})

t.test('what would not work is refused with the reason, and no part of a password is repeated', async (t) => {
  const HOW = /write @ as %40/
  const refused: ReadonlyArray<readonly [string, RegExp]> = [
    [`postgres://u:p#${SECRET}@h/db`, HOW],
    [`postgres://u:1#${SECRET}@h/db`, HOW],
    [`postgres://u:1/${SECRET}@h/db`, HOW],
    [`postgres://u:1?${SECRET}@h/db`, /^one of its parameters does nothing here/],
    [`postgres://u:${SECRET}%zz@h/db`, HOW],
    [`postgres://u:${SECRET}%00@h/db`, HOW],
    [`postgres://u:${SECRET}@a,b/db`, /one host/],
    [`postgres://u:${SECRET}@%2Frun/db`, /one host/],
    ['postgres:///db', /no host/],
    [`mysql://u:${SECRET}@h/db`, /postgres:\/\//],
    [`postgres://u:${SECRET}@h/db?channel_binding=require`, /`channel_binding=require`/],
    [`postgres://u:${SECRET}@h/db?pgbouncer=yes`, /must be true or false/],
    [`postgres://u:${SECRET}@h/db?connect_timeout=10`, /^`connect_timeout` does nothing here: what does are sslmode, sslrootcert, pgbouncer, channel_binding, application_name, options/],
    [`postgres://u:${SECRET}@h/db?sslmode=strict`, /`sslmode` must be/],
    [`postgres://u:${SECRET}@h/db?sslmode=verify-ca`, /verify-full/],
    [`postgres://u:${SECRET}@h/db?sslrootcert=system`, /needs `sslmode=verify-full`/],
    [`postgres://u:${SECRET}@h/db?sslmode=require&sslrootcert=system`, /needs `sslmode=verify-full`/],
    [`postgres://u:${SECRET}@h/db?sslmode=verify-full&sslrootcert=/none`, /cannot be read/],
    ...['sslmode=disable&sslmode=verify-full', 'sslmode=verify-full&sslmode=verify-full', 'sslmode=verify-full&application_name=a&application_name=b',
      'options=-c%20a.b=1&options=', 'pgbouncer=true&pgbouncer=false', 'channel_binding=disable&channel_binding=prefer',
      'sslrootcert=system&sslmode=verify-full&sslrootcert=/none', 'sslmode=verify-full&sslm%6Fde=disable'
    ].map(query => [`postgres://u:${SECRET}@h/db?${query}`, /^`(?:sslmode|application_name|options|pgbouncer|channel_binding|sslrootcert)` stands there twice/] as const)
  ]
  const isRight = ([url, reason]: readonly [string, RegExp]): boolean => reason.test(reasonOf(url)) && !reasonOf(url).includes(SECRET)
  t.same(refused.filter(each => !isRight(each)).map(([url]) => [url, reasonOf(url)]), [])
})

t.test('sslmode and sslrootcert mean what they mean to libpq', async (t) => {
  const [{ certFile }, folder] = [await makeCertificate(t), await mkdtemp(join(tmpdir(), 'portcullis-ca-'))]
  t.teardown(async () => { await rm(folder, { recursive: true, force: true }) })
  const tlsOf = (query: string): unknown => readDatabaseUrl(`postgres://h/db?${query}`).tls
  t.same(['disable', 'allow', 'prefer', 'require'].map(mode => tlsOf(`sslmode=${mode}`)), [false, 'allow', 'prefer', 'require'])
  t.same(tlsOf('sslmode=verify-full'), { host: 'h' })
  t.same(tlsOf('sslmode=verify-full&sslrootcert=system'), { host: 'h' })
  t.match(tlsOf(`sslmode=verify-full&sslrootcert=${certFile}`), { host: 'h', ca: /BEGIN CERTIFICATE/, checkServerIdentity: undefined })
  for (const mode of ['verify-ca', 'require']) t.match(tlsOf(`sslmode=${mode}&sslrootcert=${certFile}`), { ca: /BEGIN CERTIFICATE/, checkServerIdentity: Function }, mode)
  const empty = join(folder, 'empty.pem')
  await writeFile(empty, SECRET)
  t.equal(reasonOf(`postgres://h/db?sslmode=verify-full&sslrootcert=${empty}`), 'the file of `sslrootcert` holds no PEM certificate')
})
