import { Cluster, type Command } from '#ioredis'
import type { RedisClient } from './client.js'

/** What drivers say of themselves; that it is denied changes nothing. */
const isIntroduction = ({ name, args }: Command): boolean => name.toLowerCase() === 'client' && String(args[0]).toUpperCase() === 'SETINFO'

/**
 * Calls `listener` with the error of each command that fails on this client, beside the part that sent it. The client library
 * has no event for that, and a command whose sender forgets it must not be denied in silence.
 */
export function watchReplies (client: RedisClient, listener: (error: unknown) => void): void {
  const hear = (command: Command): void => {
    if (isIntroduction(command)) return
    command.promise.catch((error: unknown) => {
      // A script that Redis does not know is sent again by its text.
      if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) listener(error)
    })
  }
  if (client instanceof Cluster) {
    const send = client.sendCommand.bind(client)
    client.sendCommand = (command, stream, node) => {
      hear(command)
      return send(command, stream, node)
    }
    return
  }
  const send = client.sendCommand.bind(client)
  client.sendCommand = (command, stream) => {
    hear(command)
    return send(command, stream)
  }
}
