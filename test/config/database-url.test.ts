import t from 'tap'
import { readDatabaseUrl } from '../../src/access/postgres/read-url.js'
import { loadConfig } from '../../src/config/load-config.js'
import { makeCertificate } from '../support/certificate.js'
import { LEAST, NOW_MS, expectMistakes } from './expect-mistakes.js'

const URL_OF = 'postgres://login:p%23w@db.example:6432/app'
const urlWith = (env: NodeJS.ProcessEnv): string => loadConfig({ ...LEAST, ...env }, NOW_MS).access.databaseUrl ?? 'none'

t.test('an authority of one\'s own verifies the database by its name too, unless the URL says how', async (t) => {
  const { certFile } = await makeCertificate(t)
  const read = (url: string) => readDatabaseUrl(urlWith({ DATABASE_URL: url, DATABASE_CA_FILE: certFile }))
  const ca = /^-----BEGIN CERTIFICATE-----/
  t.match(read(URL_OF), { host: 'db.example', port: 6432, user: 'login', password: 'p#w', database: 'app', tls: { host: 'db.example', ca, checkServerIdentity: undefined } })
  t.match(read(`${URL_OF}?application_name=gate`), { tls: { ca, checkServerIdentity: undefined }, startup: { application_name: 'gate' } })
  t.match(read(`${URL_OF}?sslmode=verify-full`).tls, { ca, checkServerIdentity: undefined })
  t.match(read(`${URL_OF}?sslmode=verify-ca`).tls, { ca, checkServerIdentity: Function })
  t.equal(urlWith({ DATABASE_URL: URL_OF }), URL_OF)
  t.equal(urlWith({ DATABASE_CA_FILE: certFile }), 'none')
})

t.test('a file that is none, one beside another, and a mode that verifies nothing are named', async (t) => {
  const { certFile, keyFile } = await makeCertificate(t)
  const mistakes = (url: string, file: string) => expectMistakes(t, { ...LEAST, DATABASE_URL: url, DATABASE_CA_FILE: file })
  t.match(mistakes(URL_OF, '/no/such/file'), [{ setting: 'DATABASE_CA_FILE', reason: /cannot be read/ }])
  t.match(mistakes(URL_OF, keyFile), [{ setting: 'DATABASE_CA_FILE', reason: /no PEM certificate/ }])
  t.match(mistakes(`${URL_OF}?sslmode=verify-full&sslrootcert=${certFile}`, certFile), [{ setting: 'DATABASE_CA_FILE', reason: /not beside it/ }])
  t.match(mistakes(`${URL_OF}?sslmode=disable`, certFile), [{ setting: 'DATABASE_URL', reason: /needs `sslmode=verify-full`/ }])
  for (const url of ['db.example', URL_OF]) t.equal(mistakes(url, '/no/such/file').length, url === URL_OF ? 1 : 2)
})
