import { findFreePort } from '../support/free-port.js'
import { startGateway, trust, type Lifetime, type TestGateway } from '../support/gateway.js'
import type { TestIssuer } from '../support/issuer.js'

const PUBLISH_KEY = 'a-publish-key-of-at-least-32-bytes'
export const ADMIN_TOKEN = 'an-admin-token-of-at-least-32-bytes'
const RAISED = { WS_IP_CONNECTIONS: '1000', WS_USER_CONNECTIONS: '100' }

/** A gateway that comes back on the same port. */
export interface RestartableGateway {
  readonly url: string
  /** The process of now. */
  current (): TestGateway
  start (): Promise<TestGateway>
  /** Ends it as a crash would. */
  crash (): Promise<void>
  /** Publishes as a back end does. */
  publish (topic: string, event: string, data: unknown): Promise<void>
}

export async function startRestartableGateway (
  t: Lifetime, issuer: TestIssuer, settings: Readonly<Record<string, string>> = {}
): Promise<RestartableGateway> {
  const port = await findFreePort()
  const env = { ...trust(issuer), ...RAISED, PUBLISH_KEY, ADMIN_TOKEN, PORT: String(port), ...settings }
  let gateway = await startGateway(t, env)
  return {
    url: `ws://127.0.0.1:${port}/ws`,
    current: () => gateway,
    start: async () => {
      gateway = await startGateway(t, env)
      return gateway
    },
    crash: async () => {
      gateway.signal('SIGKILL')
      await gateway.exited
    },
    publish: async (topic, event, data) => {
      const body = JSON.stringify({ topic, event, data })
      const answer = await fetch(`http://127.0.0.1:${port}/v1/publish`, { method: 'POST', headers: { 'X-Publish-Key': PUBLISH_KEY }, body })
      if (answer.status !== 202) throw new Error(`publish: ${answer.status}`)
    }
  }
}
