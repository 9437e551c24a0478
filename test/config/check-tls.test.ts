import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { loadConfig } from '../../src/config/load-config.js'
import { makeCertificate } from '../support/certificate.js'
import { LEAST, NOW_MS, expectMistakes } from './expect-mistakes.js'

t.test('a certificate and a key', async (t) => {
  const [ours, other] = await Promise.all([makeCertificate(t), makeCertificate(t)])
  const folder = dirname(ours.certFile)
  const run = promisify(execFile)
  const file = async (name: string, content: string | Buffer): Promise<string> => {
    await writeFile(join(folder, name), content)
    return join(folder, name)
  }
  const mistakesOf = (cert: string, key: string): ReadonlyArray<readonly [string, string]> =>
    expectMistakes(t, { ...LEAST, TLS_CERT_FILE: cert, TLS_KEY_FILE: key }).map(({ setting, reason }) => [setting, reason])

  await t.test('that belong together are taken, also from one file', async (t) => {
    const tls = loadConfig({ ...LEAST, TLS_CERT_FILE: ours.certFile, TLS_KEY_FILE: ours.keyFile }, NOW_MS).server.tls
    t.same(tls, ours)
    const both = await file('both.pem', Buffer.concat([await readFile(ours.keyFile), await readFile(ours.certFile)]))
    t.ok(loadConfig({ ...LEAST, TLS_CERT_FILE: both, TLS_KEY_FILE: both }, NOW_MS).server.tls)
  })

  await t.test('that do not belong together are refused', async (t) => {
    t.match(mistakesOf(ours.certFile, other.keyFile), [['TLS_KEY_FILE', /not that of the certificate/]])
  })

  await t.test('that are something else are named, each by its setting, and not quoted', async (t) => {
    const text = await file('text.pem', 'hush: neither of them')
    const found = mistakesOf(text, text)
    t.match(found, [['TLS_CERT_FILE', /no PEM certificate/], ['TLS_KEY_FILE', /no PEM private key/]])
    t.notMatch(JSON.stringify(found), 'hush')
    t.match(mistakesOf(ours.keyFile, ours.certFile), [['TLS_CERT_FILE', /no PEM certificate/], ['TLS_KEY_FILE', /no PEM private key/]], 'mixed up')
    t.match(mistakesOf(folder, ours.keyFile), [['TLS_CERT_FILE', /cannot be read/]], 'a folder')
    t.match(mistakesOf(ours.certFile, await file('empty.pem', '')), [['TLS_KEY_FILE', /no PEM private key/]], 'empty')
  })

  await t.test('that the native layer could not read are refused: DER, a passphrase', async (t) => {
    const [der, locked] = [join(folder, 'cert.der'), join(folder, 'locked.pem')]
    await run('openssl', ['x509', '-in', ours.certFile, '-outform', 'DER', '-out', der])
    await run('openssl', ['pkey', '-in', ours.keyFile, '-aes256', '-passout', 'pass:hush', '-out', locked])
    t.match(mistakesOf(der, ours.keyFile), [['TLS_CERT_FILE', /no PEM certificate/]])
    t.match(mistakesOf(ours.certFile, locked), [['TLS_KEY_FILE', /without a passphrase/]])
  })
})
