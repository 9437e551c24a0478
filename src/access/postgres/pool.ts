import { AccessError, ConnectionLostError } from '../access-error.js'
import { createSession, type Session } from './session.js'

/** Work that only reads: it is begun again when an idle connection turns out to be lost. */
export type Work<Facts, T> = (session: Session, facts: Facts) => Promise<T>

/** Connections kept for the next check; how many run at once is the caller's gate's to say. */
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
  readonly inspect: (session: Session) => Promise<Facts>
  /** A connection older than this is replaced, and so inspected anew, in ms. */
  readonly maxAgeMs: number
  readonly now: () => number
}

interface Member<Facts> {
  readonly session: Session
  readonly facts: Facts
  readonly openedAtMs: number
}

/** Makes the pool. It opens nothing before the first use. */
export function createPostgresPool<Facts> ({ url, inspect, maxAgeMs, now }: PostgresPoolOptions<Facts>): PostgresPool<Facts> {
  const idle: Member<Facts>[] = []
  const open = new Set<Session>()
  let closing = false

  function drop (session: Session): void {
    open.delete(session)
    session.destroy()
  }

  async function retire (session: Session): Promise<void> {
    open.delete(session)
    await session.end()
  }

  /** The connection used last is the one most surely alive. */
  function takeIdle (): Member<Facts> | null {
    for (let member = idle.pop(); member !== undefined; member = idle.pop()) {
      if (!member.session.closed && now() - member.openedAtMs < maxAgeMs) return member
      void retire(member.session)
    }
    return null
  }

  function giveBack (member: Member<Facts>): void {
    if (closing) drop(member.session)
    else idle.push(member)
  }

  async function useSession<T> (session: Session, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const abort = (): void => { drop(session) }
    open.add(session)
    signal.addEventListener('abort', abort, { once: true })
    try {
      return await work()
    } catch (error) {
      drop(session)
      throw signal.aborted ? new AccessError('the database did not answer in time') : error
    } finally {
      signal.removeEventListener('abort', abort)
    }
  }

  async function useMember<T> (member: Member<Facts>, signal: AbortSignal, work: Work<Facts, T>): Promise<T> {
    const result = await useSession(member.session, signal, () => work(member.session, member.facts))
    giveBack(member)
    return result
  }

  async function useNew<T> (signal: AbortSignal, work: Work<Facts, T>): Promise<T> {
    const session = createSession(url)
    const facts = await useSession(session, signal, () => inspect(session))
    return await useMember({ session, facts, openedAtMs: now() }, signal, work)
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
      const spare = idle.splice(0).map(({ session }) => session)
      const ended = spare.map((session) => retire(session))
      for (const session of [...open]) drop(session)
      await Promise.all(ended)
    }
  }
}
