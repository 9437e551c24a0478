import type { Config } from '../config/config.js'

/** Dry-run decides on keys of its own, so that it can run beside a fleet that enforces. */
const DRY_RUN_PREFIX = 'dry-run:'

/** What the keys of the limits begin with in Redis. */
export function limitPrefix ({ redis, limits }: Pick<Config, 'redis' | 'limits'>): string {
  return (redis?.prefix ?? '') + (limits.dryRun ? DRY_RUN_PREFIX : '')
}
