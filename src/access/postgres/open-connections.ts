import { AccessError } from '../access-error.js'
import type { PgConnection } from './connection.js'

/** The connections of one pool that are open, idle ones included: each way to end one also forgets it. */
export class OpenConnections {
  private readonly open = new Set<PgConnection>()

  /**
   * Runs work on a connection, and drops the connection when the work fails or the signal aborts: one that saw a fault
   * is never used again. Rejects as the work does; with `AccessError` after an abort.
   */
  async guard<T> (connection: PgConnection, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const abort = (): void => { this.drop(connection) }
    this.open.add(connection)
    signal.addEventListener('abort', abort, { once: true })
    try {
      return await work()
    } catch (error) {
      this.drop(connection)
      throw signal.aborted ? new AccessError('timeout', 'the database did not answer in time') : error
    } finally {
      signal.removeEventListener('abort', abort)
    }
  }

  drop (connection: PgConnection): void {
    this.open.delete(connection)
    connection.destroy()
  }

  /** Says goodbye to the server first. Never rejects. */
  async retire (connection: PgConnection): Promise<void> {
    this.open.delete(connection)
    await connection.end()
  }

  dropAll (): void {
    for (const connection of [...this.open]) this.drop(connection)
  }
}
