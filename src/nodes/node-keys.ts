import { nodeKey } from '../limits/redis/keys.js'

/** Where the nodes keep what survives them. A node is one process. */
export interface NodeKeys {
  /** Sorted set of nodes, scored by the time (ms on Redis's clock) until which each is known to be alive. */
  readonly index: string
  /** Hash: connection id to lease record, kept by the limiter; and the field `''`: the last heartbeat (see beat.lua). */
  records (node: string): string
  /** Set of connection ids that others have claimed. Its hash tag, the whole key of the records, puts both in one slot of a cluster. */
  claimed (node: string): string
}

/** The keys under `prefix`, which is the operator's, without braces, and used as it is. */
export function createNodeKeys (prefix: string): NodeKeys {
  return {
    index: `${prefix}ws:nodes`,
    records: node => nodeKey(prefix, node),
    claimed: node => `{${nodeKey(prefix, node)}}:claimed`
  }
}
