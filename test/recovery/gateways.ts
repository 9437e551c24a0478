import { findFreePort } from '../support/free-port.js'
import { startGateway, trust, type Lifetime, type TestGateway } from '../support/gateway.js'
import type { TestIssuer } from '../support/issuer.js'

export const PUBLISH_KEY = 'a-publish-key-of-at-least-32-bytes'

/** A gateway that comes back on its port. */
export interface ReturningGateway {
  readonly port: number
  signal (signal: NodeJS.Signals): void
  /** Ends it by a signal, and starts it again. */
  restart (signal: 'SIGKILL' | 'SIGTERM'): Promise<void>
}

export async function startReturningGateway (
  t: Lifetime, issuer: TestIssuer, settings: Readonly<Record<string, string>>
): Promise<ReturningGateway> {
  const port = await findFreePort()
  const env = {
    ...trust(issuer), PUBLISH_KEY, PORT: String(port), WS_IP_CONNECTIONS: '100000', WS_USER_CONNECTIONS: '100', WS_IP_MESSAGES: '100000', ...settings
  }
  let gateway: TestGateway = await startGateway(t, env)
  return {
    port,
    signal (signal) { gateway.signal(signal) },
    async restart (signal) {
      gateway.signal(signal)
      await gateway.exited
      gateway = await startGateway(t, env)
    }
  }
}
