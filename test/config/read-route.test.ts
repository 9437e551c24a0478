import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { loadConfig } from '../../src/config/load-config.js'
import type { IssuerRoute } from '../../src/tokens/issuer-route.js'
import { makeCertificate } from '../support/certificate.js'
import { LEAST, NOW_MS, expectMistakes } from './expect-mistakes.js'

const routeOf = (env: NodeJS.ProcessEnv): IssuerRoute => loadConfig({ ...LEAST, ...env }, NOW_MS).tokens.route

t.test('without settings issuers are asked directly, by the usual authorities', async (t) => {
  t.same(routeOf({}), { authorities: null, proxies: null })
  t.same(routeOf({ NO_PROXY: 'localhost' }), { authorities: null, proxies: null })
})

t.test('proxies are read as other programs read them', async (t) => {
  t.same(routeOf({ HTTPS_PROXY: 'http://proxy:3128', NO_PROXY: 'localhost,.internal' }).proxies, { http: null, https: 'http://proxy:3128', except: 'localhost,.internal' })
  t.same(routeOf({ HTTP_PROXY: 'proxy:3128' }).proxies, { http: 'http://proxy:3128', https: null, except: '' })
  t.same(routeOf({ https_proxy: 'http://lower:1', HTTPS_PROXY: 'http://upper:1', no_proxy: '*' }).proxies, { http: null, https: 'http://lower:1', except: '*' })
  t.same(routeOf({ https_proxy: '', HTTPS_PROXY: 'https://upper:1' }).proxies, { http: null, https: 'https://upper:1', except: '' }, 'an empty one is none')
})

t.test('a proxy that is none is named once, without its password', async (t) => {
  for (const name of ['HTTPS_PROXY', 'https_proxy']) {
    const mistakes = expectMistakes(t, { ...LEAST, [name]: 'socks5://user:pass-word@proxy:1' })
    t.match(mistakes, [{ setting: 'HTTPS_PROXY', reason: 'must be the http or https URL of a proxy' }])
    t.equal(mistakes.length, 1)
  }
})

t.test('the file of authorities is read at the start, and what is none is named', async (t) => {
  const { certFile, keyFile } = await makeCertificate(t)
  t.match(routeOf({ ISSUER_CA_FILE: certFile }).authorities, /^-----BEGIN CERTIFICATE-----/)
  t.match(expectMistakes(t, { ...LEAST, ISSUER_CA_FILE: '/no/such/file' }), [{ setting: 'ISSUER_CA_FILE', reason: /cannot be read/ }])
  t.match(expectMistakes(t, { ...LEAST, ISSUER_CA_FILE: keyFile }), [{ setting: 'ISSUER_CA_FILE', reason: /no PEM certificate/ }])
  const empty = join(t.testdir({}), 'empty.pem')
  writeFileSync(empty, '')
  t.match(expectMistakes(t, { ...LEAST, ISSUER_CA_FILE: empty }), [{ setting: 'ISSUER_CA_FILE', reason: /no PEM certificate/ }])
})
