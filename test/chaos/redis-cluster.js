import { Cluster } from 'ioredis'
import { findFreePort } from '../../scripts/free-port.js'
import { becomesTrue, sleep } from './processes.js'
import { createUnsteadily, networkFaults, NETWORK_SPANS, oneAtATime } from './redis-faults.js'
import { killClients, readKeysOf, startRedisProcess } from './redis-process.js'
import { createRandom } from './random.js'
import { startRelay } from './relay.js'

const SLOTS = 16_384
const MASTERS = 3
const START_MS = 30_000
const REPLICATION_TIMEOUT_S = 5
/** Redis gives up a change of roles after 5 s. */
const ROLE_MS = 5500
/** Longer than any fault: nodes change their roles only when they are told to. */
const NODE_TIMEOUT_MS = 20_000

/** A node that tells clients the port of its relay. */
async function startNode () {
  // The relay must know the node's port and the node the relay's: the relay is started with a port that the node is given.
  const relayed = await findFreePort()
  const server = await startRedisProcess(({ port }) => [
    '--cluster-enabled', 'yes', '--cluster-node-timeout', String(NODE_TIMEOUT_MS), '--cluster-config-file', 'nodes.conf',
    '--cluster-announce-port', String(relayed), '--cluster-announce-bus-port', String(port + 10_000),
    // The replica follows by way of a relay, which may have swallowed its connection: it cannot take over until it has noticed.
    '--repl-timeout', String(REPLICATION_TIMEOUT_S), '--repl-ping-replica-period', '1'
  ])
  return { server, relay: await startRelay(server.port, relayed) }
}

async function untilAll (what, nodes, holds) {
  for (const node of nodes) if (!await becomesTrue(async () => await holds(node), START_MS)) throw new Error(`not in time: ${what}`)
}
const infoSays = text => async ({ server: { client } }) => String(await client.call('CLUSTER', 'INFO')).includes(text)

async function makeCluster (nodes) {
  await Promise.all(nodes.slice(0, MASTERS).map(async ({ server: { client } }, index) => {
    const [first, last] = [Math.ceil(index * SLOTS / MASTERS), Math.ceil((index + 1) * SLOTS / MASTERS)]
    await client.call('CLUSTER', 'SET-CONFIG-EPOCH', index + 1)
    await client.call('CLUSTER', 'ADDSLOTSRANGE', first, last - 1)
  }))
  for (const { server } of nodes.slice(1)) await nodes[0].server.client.call('CLUSTER', 'MEET', '127.0.0.1', server.port, server.port + 10_000)
  await untilAll('the nodes know each other', nodes, infoSays(`cluster_known_nodes:${nodes.length}`))
  await untilAll('every slot is served', nodes, infoSays('cluster_state:ok'))
  const [master, , , replica] = nodes
  await replica.server.client.call('CLUSTER', 'REPLICATE', String(await master.server.client.call('CLUSTER', 'MYID')))
  await untilAll('the replica follows', [replica], async ({ server }) => (await server.client.info('replication')).includes('master_link_status:up'))
}

/**
 * Three masters and a replica of the first, each behind a relay of its own.
 * @param {import('./steadiness.js').Steadiness} steadiness
 */
export async function startCluster (steadiness) {
  const nodes = []
  for (let n = 0; n <= MASTERS; n++) nodes.push(await startNode())
  await makeCluster(nodes)
  const random = createRandom(MASTERS)
  const unsteadily = createUnsteadily(steadiness)
  const pair = [nodes[0], nodes[MASTERS]]
  const roleOf = async ({ server }) => (await server.client.info('replication')).includes('role:master') ? 'master' : 'replica'
  const masters = async () => [...nodes.slice(1, MASTERS), ...(await roleOf(pair[0]) === 'master' ? [pair[0]] : [pair[1]])]

  const faults = {
    ...networkFaults(nodes.map(({ relay }) => relay)),
    redis_hang: async (forMs) => await unsteadily('redis_hang', async () => {
      const { server } = random.pick(nodes)
      server.halt()
      await sleep(forMs)
      server.resume()
    }),
    // As an operator does: the replica has everything before it takes over.
    redis_roles_swapped: async () => await unsteadily('redis_roles_swapped', async () => {
      const replica = await roleOf(pair[0]) === 'master' ? pair[1] : pair[0]
      // A replica that has just been out of reach lets one pass without a word.
      const isMaster = async () => {
        await replica.server.client.call('CLUSTER', 'FAILOVER').catch(() => {})
        return await becomesTrue(async () => await roleOf(replica) === 'master', ROLE_MS)
      }
      await untilAll('it is the master', [replica], isMaster)
      await untilAll('all know it', nodes, infoSays('cluster_state:ok'))
    }),
    redis_script_flush: async () => { for (const { server } of await masters()) await server.client.script('FLUSH') },
    redis_client_kill: async () => { await killClients(random.pick(nodes).server.client) }
  }
  return {
    settings: { REDIS_CLUSTER_URLS: nodes.slice(0, MASTERS).map(({ relay }) => `redis://127.0.0.1:${relay.port}`).join(',') },
    spans: {
      ...NETWORK_SPANS,
      redis_hang: [800, 3500],
      redis_roles_swapped: [0, 0],
      redis_script_flush: [0, 0],
      redis_client_kill: [0, 0]
    },
    openClient: () => new Cluster(nodes.map(({ server }) => ({ host: '127.0.0.1', port: server.port })), {
      // Past the relays: a back end's own connections are not what is looked at.
      natMap: Object.fromEntries(nodes.map(({ server, relay }) => [`127.0.0.1:${relay.port}`, { host: '127.0.0.1', port: server.port }])),
      redisOptions: { maxRetriesPerRequest: 0, commandTimeout: 500 },
      clusterRetryStrategy: () => 50
    }),
    readKeys: async () => (await Promise.all((await masters()).map(async ({ server }) => await readKeysOf(server.client)))).flat(),
    readTopics: async () => (await Promise.all(nodes.map(async ({ server }) => [
      ...await server.client.pubsub('CHANNELS', 'ws:topic:[^n]*'), ...await server.client.pubsub('SHARDCHANNELS', 'ws:topic:[^n]*')
    ]))).flat(),
    fail: oneAtATime(faults),
    async stop () {
      await Promise.all(nodes.map(async ({ server, relay }) => {
        await server.stop()
        await relay.stop()
      }))
    }
  }
}
