import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Lifetime } from './gateway.js'

export interface TestCertificate { readonly certFile: string, readonly keyFile: string }

/**
 * A certificate that signs itself, and its key, made by the `openssl` of the machine. `name`: whom it is for, as in
 * `IP:127.0.0.1` or `DNS:localhost`.
 */
export async function makeCertificate (t: Lifetime, name = 'IP:127.0.0.1'): Promise<TestCertificate> {
  const folder = await mkdtemp(join(tmpdir(), 'portcullis-tls-'))
  t.teardown(async () => { await rm(folder, { recursive: true, force: true }) })
  const [certFile, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-noenc', '-keyout', keyFile]
  const subject = ['-subj', '/CN=portcullis-test', '-addext', `subjectAltName=${name}`]
  await promisify(execFile)('openssl', ['req', '-x509', ...key, '-out', certFile, '-days', '1', ...subject])
  return { certFile, keyFile }
}
