import { Command } from '#ioredis'
import type { RedisClient } from './client.js'
import type { ScriptClient } from './lua-script.js'

type Arguments = Array<string | number | Buffer>

/** Sends commands that may take longer than the client's own bound for one. */
export interface PatientClient extends ScriptClient {
  send (name: string, args: Arguments): Promise<unknown>
}

/** Makes one over the same connections. `limitMs`: how long each command may take, 1 or more; longer rejects. */
export function createPatientClient (client: RedisClient, limitMs: number): PatientClient {
  const send = async (name: string, args: Arguments): Promise<unknown> => {
    const command = new Command(name, args, { replyEncoding: 'utf8' })
    // The client bounds a command only where nobody has done so yet.
    command.setTimeout(limitMs)
    client.sendCommand(command)
    return await command.promise
  }
  return {
    isCluster: client.isCluster,
    evalsha: async (sha, keyCount, ...rest) => await send('evalsha', [sha, keyCount, ...rest]),
    eval: async (text, keyCount, ...rest) => await send('eval', [text, keyCount, ...rest]),
    send
  }
}
