import { Cluster } from '#ioredis'

/** Options of a cluster client that sends each command once. */
export const SENT_ONCE = {
  // Above 0 it would send again what was in flight on a connection that broke, although its reply alone may be lost. What Redis
  // itself sends elsewhere (MOVED, ASK, TRYAGAIN, CLUSTERDOWN) it has not done: that is sent again.
  retryDelayOnFailover: 0,
  // For commands to a node that is being connected to.
  enableOfflineQueue: true
} as const

/** A cluster client of which a command goes out now, or as soon as its node is connected, or rejects; with `SENT_ONCE`, once. */
export class OnceCluster extends Cluster {
  /** Nothing is kept for the time when the whole cluster is back: its sender will have given up. */
  override sendCommand (...[command, stream, node]: Parameters<Cluster['sendCommand']>): unknown {
    if (this.status === 'ready' || command.name === 'cluster') return super.sendCommand(command, stream, node)
    command.reject(new Error("Cluster isn't ready"))
    return command.promise
  }
}

const REFRESH_GAP_MS = 100

/** Has a lost node's successor looked for at once, as nothing that is sent again leads to it. */
export function refreshOnLoss (cluster: Cluster): void {
  let refreshing = false
  cluster.on('-node', () => {
    if (refreshing) return
    refreshing = true
    setTimeout(() => {
      refreshing = false
      if (cluster.status === 'ready') cluster.refreshSlotsCache(() => {})
    }, REFRESH_GAP_MS).unref()
  })
}
