import { Redis } from '#ioredis'
import { waitAtMost } from './bounded-wait.js'
import { nameServer, type SentinelTarget } from './open-client.js'
import { formatAddress } from './read-url.js'

/** What one Sentinel says. `master`: where it is, `host:port`; null: it watches none of this name. */
export type SentinelAnswer = { readonly sentinel: string } & ({ readonly master: string | null } | { readonly error: Error })

const TIMEOUT_MS = 2000

/** Asks each Sentinel by itself where the master is. Never rejects. */
export async function askSentinels ({ sentinels, master, password }: SentinelTarget, tls: boolean): Promise<SentinelAnswer[]> {
  return await Promise.all(sentinels.map(async (address): Promise<SentinelAnswer> => {
    const sentinel = formatAddress(address)
    const client = new Redis({
      ...address,
      ...(password !== null && { password }),
      ...(tls && { tls: nameServer(address.host) }),
      connectTimeout: TIMEOUT_MS,
      enableReadyCheck: false,
      retryStrategy: null,
      connectionName: 'portcullis-check'
    })
    let failure: Error | null = null
    client.on('error', (error: Error) => { failure ??= error })
    try {
      const answer = await waitAtMost(client.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', master), TIMEOUT_MS, 'asking a Sentinel')
      return { sentinel, master: readMaster(answer) }
    } catch (error) {
      return { sentinel, error: failure ?? (error instanceof Error ? error : new Error('it does not answer')) }
    } finally {
      client.disconnect()
    }
  }))
}

function readMaster (answer: unknown): string | null {
  if (!Array.isArray(answer)) return null
  const [host, port] = answer.map(String)
  return formatAddress({ host: host ?? '', port: Number(port) })
}
