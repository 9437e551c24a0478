import type { Logger } from 'pino'
import { checkTls } from '../config/check-tls.js'
import type { Config } from '../config/config.js'
import type { Server } from '../transport/uws/server.js'
import { writeEvent } from '../observe/log/log.js'

/** Makes what SIGHUP does: new connections get the certificate that the files hold now. Never throws; the log tells what came of it. */
export function createTlsReload ({ server: { tls } }: Config, server: Pick<Server, 'reloadTls'>, log: Logger): () => void {
  if (tls === null) return () => { writeEvent(log, { event: 'tls.absent' }) }
  const reload = async (): Promise<void> => {
    const mistakes: string[] = []
    checkTls({ TLS_CERT_FILE: tls.certFile, TLS_KEY_FILE: tls.keyFile }, (setting, reason) => { mistakes.push(`${setting}: ${reason}`) })
    try {
      if (mistakes.length > 0) throw new Error(mistakes.join('; '))
      await server.reloadTls()
      writeEvent(log, { event: 'tls.reloaded' })
    } catch (error) {
      writeEvent(log, { event: 'tls.refused', reason: error instanceof Error ? error.message : 'the native layer refused the files' })
    }
  }
  return () => { void reload() }
}
