import type { Test } from 'tap'
import { connect, connectRefused, freshAddress, type Refused, type TestClient } from './client.js'
import type { TestGateway } from './gateway.js'
import { freshMetrics } from './metrics.js'

/** All the sockets that one user may have, held through whatever befalls the gateway. */
export interface HeldSockets {
  readonly clients: readonly TestClient[]
  /** Every one of them answers a frame now; rejects when one has closed or falls silent. */
  allAnswer (): Promise<void>
  /** One more upgrade of the same user, which must be refused. */
  oneMore (): Promise<Refused>
  /** How many of them have closed, as the log tells. */
  countClosed (): number
}

export const USER_SOCKETS = 5

/** Opens as many sockets as a user may have, each from an address of its own. */
export async function holdSockets (t: Test, gateway: TestGateway, token: string): Promise<HeldSockets> {
  const path = `/ws?token=${token}`
  const clients: TestClient[] = []
  const own = new Set<unknown>()
  for (let i = 0; i < USER_SOCKETS; i++) {
    const client = await connect(t, gateway, path, { from: freshAddress() })
    own.add((await client.nextOf('welcome'))['connection_id'])
    clients.push(client)
  }
  return {
    clients,
    allAnswer: async () => {
      await Promise.all(clients.map(async (client) => {
        client.send({ type: 'ping' })
        await client.nextOf('pong')
      }))
    },
    oneMore: async () => await connectRefused(t, gateway, path, { from: freshAddress() }),
    countClosed: () => gateway.log.filter(line => line.event === 'connection.closed' && own.has(line['connection_id'])).length
  }
}

/** Opens one connection from an address of its own; resolves when it was welcomed, with the time that took, in ms. */
export async function openOne (t: Test, gateway: TestGateway, token: string): Promise<number> {
  const startedMs = performance.now()
  const client = await connect(t, gateway, `/ws?token=${token}`, { from: freshAddress() })
  await client.nextOf('welcome')
  return performance.now() - startedMs
}

/** How many lines of this event were written so far. */
export function countLines (gateway: TestGateway, event: string): number {
  return gateway.log.filter(line => line.event === event).length
}

/** The value of one sample of the metrics, with its labels as they are written; null: there is none. */
export async function readMetric (gateway: TestGateway, sample: string): Promise<number | null> {
  const text = await freshMetrics(gateway.admin)
  const line = text.split('\n').find(each => each.startsWith(`${sample} `))
  return line === undefined ? null : Number(line.slice(sample.length + 1))
}
