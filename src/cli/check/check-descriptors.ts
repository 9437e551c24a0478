import type { Config } from '../../config/config.js'
import { isShort, planDescriptors, readDescriptorLimit } from '../../descriptors/budget.js'
import { ok, warn, type Verdict } from './verdict.js'

const PART = 'descriptors'

/** Compares the limit on open files with what the settings need, for each process. */
export function checkDescriptors ({ server }: Config, limit = readDescriptorLimit()): Verdict[] {
  if (limit === null) return []
  const budget = planDescriptors(limit, server.maxConnections)
  if (!isShort(budget)) return [ok(PART, `ulimit -n is ${limit}`)]
  return [warn(PART, `ulimit -n is ${limit}, and WS_MAX_CONNECTIONS=${server.maxConnections} needs ${budget.needed}: ` +
    `at most ${budget.maxConnections} connections are taken`)]
}
