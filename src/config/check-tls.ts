import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { ReportMistake } from './read-settings.js'
import type { SettingValues } from './settings.js'

type Setting = 'TLS_CERT_FILE' | 'TLS_KEY_FILE'

/**
 * Reads a file as text, which no DER survives, and what it holds; null when either fails, which is then reported. What the
 * file says is never repeated.
 */
function readPem<T> (
  setting: Setting, file: string | undefined, parse: (pem: string) => T, wanted: string, report: ReportMistake
): T | null {
  if (file === undefined) return null
  let pem: string
  try {
    pem = readFileSync(file, 'utf8')
  } catch {
    report(setting, 'the file cannot be read')
    return null
  }
  try {
    return parse(pem)
  } catch {
    report(setting, `the file holds no ${wanted}`)
    return null
  }
}

/** Reports a certificate or key that the native layer could not serve: it would end the start with a stack, or every handshake. */
export function checkTls (values: Pick<SettingValues, Setting>, report: ReportMistake): void {
  const { TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile } = values
  if ((certFile === undefined) !== (keyFile === undefined)) report('TLS_KEY_FILE', 'and TLS_CERT_FILE go together')
  const certificate = readPem('TLS_CERT_FILE', certFile, pem => new X509Certificate(pem), 'PEM certificate', report)
  const key = readPem<KeyObject>('TLS_KEY_FILE', keyFile, pem => createPrivateKey(pem), 'PEM private key that opens without a passphrase', report)
  if (certificate !== null && key !== null && !certificate.checkPrivateKey(key)) report('TLS_KEY_FILE', 'the key is not that of the certificate (the first one) in TLS_CERT_FILE')
}
