import { AccessError, ConnectionLostError } from '../access-error.js'
import { createPgConnection, type PgConnection } from './connection.js'
import { OpenConnections } from './open-connections.js'

/**
 * Work that only reads: it is begun again when an idle connection turns out to be lost. `inspectAgain` replaces what was
 * found on the connection, and rejects as the inspection does.
 */
export type Work<Facts, T> = (connection: PgConnection, facts: Facts, inspectAgain: () => Promise<Facts>) => Promise<T>

/** Connections kept for the next check; the caller bounds how many checks run at once. */
export interface PostgresPool<Facts> {
  /**
   * Gives a connection to the work, an idle one or a new one that has been inspected, and drops it when the work fails
   * or the signal aborts: a connection that saw a fault is never used again.
   */
  use<T> (signal: AbortSignal, work: Work<Facts, T>): Promise<T>
  /** Closes every connection; those in use are dropped. */
  close (): Promise<void>
}

export interface PostgresPoolOptions<Facts> {
  readonly url: string
  /** Looks at each new connection before its first use; a rejection refuses it. */
  readonly inspect: (connection: PgConnection) => Promise<Facts>
  /** A connection older than this is replaced, and so inspected anew, in ms. */
  readonly maxAgeMs: number
  readonly now: () => number
}

interface Member<Facts> {
  readonly connection: PgConnection
  facts: Facts
  readonly openedAtMs: number
}

/** Makes the pool. It opens nothing before the first use. */
export function createPostgresPool<Facts> ({ url, inspect, maxAgeMs, now }: PostgresPoolOptions<Facts>): PostgresPool<Facts> {
  const idle: Member<Facts>[] = []
  const connections = new OpenConnections()
  let closing = false

  /** The connection used last is the one most surely alive. */
  function takeIdle (): Member<Facts> | null {
    for (let member = idle.pop(); member !== undefined; member = idle.pop()) {
      if (!member.connection.closed && now() - member.openedAtMs < maxAgeMs) return member
      void connections.retire(member.connection)
    }
    return null
  }

  async function useMember<T> (member: Member<Facts>, signal: AbortSignal, work: Work<Facts, T>): Promise<T> {
    const { connection } = member
    const inspectAgain = async (): Promise<Facts> => {
      member.facts = await inspect(connection)
      return member.facts
    }
    const result = await connections.guard(connection, signal, () => work(connection, member.facts, inspectAgain))
    if (closing) connections.drop(connection)
    else idle.push(member)
    return result
  }

  async function useNew<T> (signal: AbortSignal, work: Work<Facts, T>): Promise<T> {
    const connection = createPgConnection(url)
    const facts = await connections.guard(connection, signal, () => inspect(connection))
    return await useMember({ connection, facts, openedAtMs: now() }, signal, work)
  }

  return {
    async use (signal, work) {
      if (closing || signal.aborted) throw new AccessError('the database was not asked: too late')
      const member = takeIdle()
      if (member === null) return await useNew(signal, work)
      try {
        return await useMember(member, signal, work)
      } catch (error) {
        // A connection that lay idle may have been dead for long: that says nothing about the database.
        if (!(error instanceof ConnectionLostError)) throw error
        return await useNew(signal, work)
      }
    },
    async close () {
      closing = true
      const ended = idle.splice(0).map(({ connection }) => connections.retire(connection))
      connections.dropAll()
      await Promise.all(ended)
    }
  }
}
