import { startCluster } from './redis-cluster.js'
import { startSentinels } from './redis-sentinel.js'
import { startSingle } from './redis-single.js'

/** What there is of Redis: one, one with a replica that Sentinels watch, or a cluster of three. */
export const TOPOLOGIES = { single: startSingle, sentinel: startSentinels, cluster: startCluster }

/** A seed has its own. @param {number} seed */
export const topologyOf = seed => Object.keys(TOPOLOGIES)[seed % Object.keys(TOPOLOGIES).length]
