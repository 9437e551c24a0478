import { SentinelConnector, type Redis, type RedisOptions } from '#ioredis'
import { formatAddress, type ServerAddress } from './read-url.js'

/** Told of each failure to reach a Sentinel, or on its connection: at most once in 2 s for each. `sentinel`: `host:port`. */
export type OnSentinelError = (sentinel: string, error: Error) => void

/** What opens each connection to a Sentinel. The library keeps it to itself. */
interface Opening { connectToSentinel: (address: ServerAddress, options?: object) => Redis }

/**
 * Makes the class by which a client finds its master. The library listens to no error of the connections on which Sentinels
 * tell of a fail-over, and writes each with its stack on stderr.
 */
export function tellingConnector (onError: OnSentinelError): NonNullable<RedisOptions['Connector']> {
  return class TellingConnector extends SentinelConnector {
    constructor (options: unknown) {
      super(options as ConstructorParameters<typeof SentinelConnector>[0])
      const opening = this as unknown as Opening
      const open = opening.connectToSentinel.bind(this)
      opening.connectToSentinel = (address, more) => open(address, more).on('error', (error: Error) => { onError(formatAddress(address), error) })
    }
  }
}
