/** Gives one thing back. `reason`: why the process stops; null: its start failed. */
export type Close = (reason: string | null) => unknown

/** What was opened, in its order, and how each is given back. */
export interface Exits {
  /** Added when, or right before, the thing is opened: what opens halfway is closed as well. */
  add (close: Close): void
  /**
   * Closes everything in reverse order, one after the other, each once: a further call waits for the first. One that fails
   * keeps none of the others open; the first failure is the rejection.
   */
  closeAll (reason: string | null): Promise<void>
  /** Everything is closed, or being closed. */
  readonly closed: boolean
}

/** Makes an empty list of exits. */
export function createExits (): Exits {
  const open: Close[] = []
  let closing: Promise<void> | null = null

  async function close (reason: string | null): Promise<void> {
    const failures: unknown[] = []
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      try {
        await next(reason)
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) throw failures[0] instanceof Error ? failures[0] : new Error('something could not be closed')
  }

  return {
    add (next) { open.push(next) },
    async closeAll (reason) { await (closing ??= close(reason)) },
    get closed () { return closing !== null }
  }
}
