/** Answers of a server that is not the one to ask, or not now: a demoted master, a copy that loads, a master cut off from the others. */
const WRONG_SERVER = /(?:^|: ?-?)(READONLY|LOADING|MASTERDOWN|NOREPLICAS) /
/** A server that stays wrong is left once a second. */
const SINGLE_GAPS_MS = { first: 1000, last: 1000 } as const
/** On a cluster the nodes that are well are left too: not often. */
const CLUSTER_GAPS_MS = { first: 10_000, last: 60_000 } as const
/** One failed probe may be a busy moment. */
const FAILED_PROBES = 2

/** Decides when the connections to Redis are made anew, because what answers on them may be the wrong server. */
export interface Renewal {
  /** Whether the connection on which Redis answered so should be made anew now. */
  isWrongServer (error: Error): boolean
  /** Whether all connections should be made anew now that a probe has gone so. */
  isDue (probeSucceeded: boolean): boolean
}

/**
 * Makes the rules for one client. Behind one address, such as that of a managed Redis, a fail-over may leave old connections
 * open: they lead to the demoted master for ever, while a new one finds the new master. `now`: monotonic, in ms.
 */
export function createRenewal (isCluster: boolean, now: () => number): Renewal {
  const gaps = isCluster ? CLUSTER_GAPS_MS : SINGLE_GAPS_MS
  let leftAtMs = -Infinity
  let failedProbes = 0
  let gapMs: number = gaps.first
  let renewedAtMs = -Infinity
  return {
    isWrongServer ({ message }) {
      if (!WRONG_SERVER.test(message) || now() - leftAtMs < SINGLE_GAPS_MS.first) return false
      leftAtMs = now()
      return true
    },
    isDue (probeSucceeded) {
      if (probeSucceeded) {
        failedProbes = 0
        renewedAtMs = -Infinity
        gapMs = gaps.first
        return false
      }
      failedProbes++
      if (failedProbes < FAILED_PROBES || now() - renewedAtMs < gapMs) return false
      if (renewedAtMs !== -Infinity) gapMs = Math.min(gaps.last, 2 * gapMs)
      renewedAtMs = now()
      return true
    }
  }
}
