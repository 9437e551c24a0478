import { waitAtMost } from '../redis/bounded-wait.js'
import type { RedisClient } from '../redis/client.js'

export interface BanMarksOptions {
  readonly client: RedisClient
  readonly markOf: (address: string) => string
  /** How long one call may take, 1 or more; longer rejects. */
  readonly timeoutMs: number
}

export type BanMarks = ReturnType<typeof createBanMarks>

/**
 * The keys `<prefix>ws:ban:<address>`, which stand beside each ban for operators to look at, with the ban's TTL: setting or
 * deleting one by hand has no effect.
 */
export function createBanMarks ({ client, markOf, timeoutMs }: BanMarksOptions) {
  const write = async (address: string, durationMs: number): Promise<void> => {
    await waitAtMost(client.set(markOf(address), '1', 'PX', Math.ceil(durationMs)), timeoutMs, 'marking a ban')
  }
  return {
    /** Rejects when it cannot be marked; the ban counts all the same. */
    set: write,
    async clear (address: string): Promise<void> { await waitAtMost(client.del(markOf(address)), timeoutMs, 'marking a ban') },
    /** Marks a ban that was written back. Nothing reads the mark: where that fails the ban counts all the same. */
    restore (address: string, durationMs: number): void {
      write(address, durationMs).catch(() => {})
    }
  }
}
