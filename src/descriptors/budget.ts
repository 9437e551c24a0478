import { readFileSync } from 'node:fs'

/** How the descriptors that the system allows this process are shared out. */
export interface DescriptorBudget {
  /** The limit (`ulimit -n`); null: unknown here, and nothing is shared out. */
  readonly limit: number | null
  /** Held back for when all others are taken: the log, the admin port and Redis go on with these. */
  readonly reserve: number
  /** Connections that may be open at once: as configured, or fewer where the limit is low. 1 or more. */
  readonly maxConnections: number
  /** What the limit would have to be for all that are configured. */
  readonly needed: number
}

/** Of one process, besides its connections: Node's own, files, Redis, the database, the admin port, requests on their way in or out. */
const LEAST_OTHERS = 48
const MOST_OTHERS = 128
const LEAST_RESERVE = 8
const MOST_RESERVE = 64

const between = (least: number, value: number, most: number): number => Math.min(most, Math.max(least, Math.floor(value)))

/**
 * Shares out `limit` descriptors. `maxConnections`: as configured. As much again as the reserve stays free above the connections, so
 * that those who are refused are told: the watch shuts the door only when there are others, which never ask for anything.
 */
export function planDescriptors (limit: number | null, maxConnections: number): DescriptorBudget {
  const needed = maxConnections + 2 * MOST_RESERVE + MOST_OTHERS
  if (limit === null) return { limit, reserve: 0, maxConnections, needed }
  const reserve = between(LEAST_RESERVE, limit / 16, MOST_RESERVE)
  const others = between(LEAST_OTHERS, limit / 8, MOST_OTHERS)
  return { limit, reserve, maxConnections: between(1, limit - 2 * reserve - others, maxConnections), needed }
}

/** Whether the limit allows fewer connections than are configured. */
export const isShort = ({ limit, needed }: DescriptorBudget): boolean => limit !== null && limit < needed

/** The soft limit of this process, which Node raises to the hard one as it starts; null where the system does not say. */
export function readDescriptorLimit (): number | null {
  try {
    const [, soft] = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? []
    return soft === undefined ? null : Number(soft)
  } catch {
    return null
  }
}
