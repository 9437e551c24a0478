import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto'
import { readPem } from './read-pem.js'
import type { ReportMistake } from './read-settings.js'
import type { SettingValues } from './settings.js'

type Setting = 'TLS_CERT_FILE' | 'TLS_KEY_FILE'

/** Reports a certificate or key that the native layer could not serve: it would end the start with a stack, or every handshake. */
export function checkTls (values: Pick<SettingValues, Setting>, report: ReportMistake): void {
  const { TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile } = values
  if ((certFile === undefined) !== (keyFile === undefined)) report('TLS_KEY_FILE', 'and TLS_CERT_FILE go together')
  const certificate = readPem('TLS_CERT_FILE', certFile, pem => new X509Certificate(pem), 'PEM certificate', report)
  const key = readPem<KeyObject>('TLS_KEY_FILE', keyFile, pem => createPrivateKey(pem), 'PEM private key that opens without a passphrase', report)
  if (certificate !== null && key !== null && !certificate.checkPrivateKey(key)) report('TLS_KEY_FILE', 'the key is not that of the certificate (the first one) in TLS_CERT_FILE')
}
