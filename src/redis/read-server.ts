import type { Redis } from '#ioredis'

/** Which server answers on a connection. */
export interface Server {
  /** `standalone`, `cluster` or `sentinel`. */
  readonly mode: string
  /** New at each start of a server. */
  readonly runId: string
}

/** Asks a connection which server it leads to; null when it does not say: no right to INFO, or no answer. Never rejects. */
export async function readServer (redis: Pick<Redis, 'info'>): Promise<Server | null> {
  try {
    const text = await redis.info('server')
    const field = (name: string): string => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(text)?.[1] ?? ''
    return { mode: field('redis_mode'), runId: field('run_id') }
  } catch {
    return null
  }
}
