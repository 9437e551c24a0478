import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from '#ioredis'
import type { Test } from 'tap'
import { ensureServer } from './ensure-server.js'
import { until } from './until.js'
import { findFreePort } from './free-port.js'

/** A private Redis of one test: own port, own folder, nothing kept; ended at the test's teardown. */
export interface TestRedis {
  readonly url: string
  readonly port: number
  /** For looking into the server; waits through an outage. */
  readonly client: Redis
  /** Ends the server as a crash would. */
  stop (): Promise<void>
  /** Starts it again, empty, on the same port. */
  restart (): Promise<void>
  /** Freezes it: connections stay open and nothing is answered. */
  pause (): void
  resume (): void
}

export interface TestRedisOptions {
  /** More of redis-server's command line. */
  readonly args?: readonly string[]
}

export interface TestRedisCluster {
  readonly urls: readonly string[]
  /** The masters, each with a third of the slots. */
  readonly nodes: readonly TestRedis[]
  /** Takes over when the first master is gone, where one was asked for. */
  readonly replica: TestRedis | null
  /** Gives a slot with its keys to another master, as an operator does. `meanwhile` runs twice while both have a part of it. */
  moveSlot (slot: number, from: TestRedis, to: TestRedis, meanwhile?: () => Promise<void>): Promise<void>
  stop (): Promise<void>
}

class AddressInUse extends Error {}

/** Starts one process and waits until it says that it is ready. */
async function launch (folder: string, port: number, args: readonly string[]): Promise<ChildProcess> {
  const child = spawn(ensureServer('redis'), [
    '--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', 'no', ...args
  ], { stdio: ['ignore', 'pipe', 'pipe'] })
  const killNow = (): void => { child.kill('SIGKILL') }
  process.once('exit', killNow)
  child.once('exit', () => process.removeListener('exit', killNow))
  let output = ''
  await new Promise<void>((resolve, reject) => {
    const read = (chunk: Buffer): void => {
      output = (output + chunk.toString()).slice(-20_000)
      if (output.includes('Ready to accept connections')) resolve()
    }
    child.stdout.on('data', read)
    child.stderr.on('data', read)
    child.once('error', reject)
    child.once('exit', (code) => {
      const inUse = output.includes('Address already in use') || output.includes('Failed listening on port')
      reject(inUse ? new AddressInUse(output) : new Error(`redis-server ended with ${String(code)}: ${output}`))
    })
  })
  return child
}

async function launchOnFreePort (folder: string, args: readonly string[]): Promise<{ child: ChildProcess, port: number }> {
  const port = await findFreePort()
  try {
    return { child: await launch(folder, port, args), port }
  } catch (error) {
    // Somebody took the port between choosing and binding: take another.
    if (error instanceof AddressInUse) return await launchOnFreePort(folder, args)
    throw error
  }
}

async function end (child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}

/** Starts a Redis for this test. */
export async function startRedis (t: Test, options: TestRedisOptions = {}): Promise<TestRedis> {
  const args = options.args ?? []
  const folder = await mkdtemp(join(tmpdir(), 'portcullis-redis-'))
  let { child, port } = await launchOnFreePort(folder, args)
  const client = new Redis({ host: '127.0.0.1', port, maxRetriesPerRequest: null, retryStrategy: () => 20 })
  client.on('error', () => { /* outages are what some tests are about */ })
  t.teardown(async () => {
    client.disconnect()
    await end(child)
    await rm(folder, { recursive: true, force: true })
  })
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    client,
    stop: async () => { await end(child) },
    restart: async () => {
      await end(child)
      child = await launch(folder, port, args)
    },
    pause: () => { child.kill('SIGSTOP') },
    resume: () => { child.kill('SIGCONT') }
  }
}

const SLOTS = 16_384

export interface TestClusterOptions {
  readonly withReplica?: boolean
  /** More of the command line of each master; with `withReplica` also of the replica, whose index is 3. */
  readonly argsOf?: (index: number) => readonly string[]
  /** Called for each node as soon as it runs, before it joins the others. */
  readonly onNode?: (index: number, node: TestRedis) => void
  /** The port by which nodes meet this master, where that is not the one that clients use. */
  readonly meetingPortOf?: (index: number) => number | undefined
}

/** Starts a cluster of three masters for this test, and a replica of the first if asked, and waits until each of them serves. */
export async function startRedisCluster (t: Test, options: TestClusterOptions = {}): Promise<TestRedisCluster> {
  const { withReplica = false, argsOf = () => [], meetingPortOf = () => undefined, onNode = () => {} } = options
  const args = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '1000', '--cluster-config-file', 'nodes.conf']
  const nodes = await Promise.all([0, 1, 2].map(async (index) => await startRedis(t, { args: [...args, ...argsOf(index)] })))
  await Promise.all(nodes.map(async (node, index) => {
    const first = Math.ceil(index * SLOTS / nodes.length)
    const last = Math.ceil((index + 1) * SLOTS / nodes.length)
    await node.client.call('CLUSTER', 'SET-CONFIG-EPOCH', index + 1)
    await node.client.call('CLUSTER', 'ADDSLOTS', ...Array.from({ length: last - first }, (_, n) => first + n))
  }))
  const replica = withReplica ? await startRedis(t, { args: [...args, ...argsOf(nodes.length)] }) : null
  const all = replica === null ? nodes : [...nodes, replica]
  for (const [index, node] of all.entries()) onNode(index, node)
  for (const [index, node] of all.entries()) {
    if (index > 0) await nodes[0]?.client.call('CLUSTER', 'MEET', '127.0.0.1', meetingPortOf(index) ?? node.port)
  }
  for (const node of all) await waitForCluster(node.client, all.length)
  if (replica !== null && nodes[0] !== undefined) await replicate(replica, nodes[0])
  return {
    urls: nodes.map((node) => node.url),
    nodes,
    replica,
    moveSlot: async (slot, from, to, meanwhile = async () => {}) => { await moveSlot(nodes, { slot, from, to }, meanwhile) },
    stop: async () => { await Promise.all(all.map(async (node) => { await node.stop() })) }
  }
}

async function waitForCluster (client: Redis, size: number): Promise<void> {
  await until('the cluster is up', async () => {
    const state = String(await client.call('CLUSTER', 'INFO'))
    return state.includes('cluster_state:ok') && state.includes(`cluster_known_nodes:${size}`)
  })
}

async function nodeId ({ client }: TestRedis): Promise<string> {
  return String(await client.call('CLUSTER', 'MYID'))
}

async function replicate (replica: TestRedis, master: TestRedis): Promise<void> {
  await replica.client.call('CLUSTER', 'REPLICATE', await nodeId(master))
  await until('the replica follows', async () => (await replica.client.info('replication')).includes('master_link_status:up'))
}

/** The epochs of all masters, as this node knows them. */
async function readEpochs ({ client }: TestRedis): Promise<string> {
  const lines = String(await client.call('CLUSTER', 'NODES')).split('\n').map(line => line.split(' '))
  return lines.flatMap(([id, , flags, , , , epoch]) => flags?.includes('master') === true ? [`${id} ${epoch}`] : []).toSorted().join()
}

/**
 * Of two nodes that claim a slot the one of the later epoch has it, and what the former owner said of itself may still be on
 * its way when the new one begins: without this that would take the slot back, and then nobody has it.
 */
async function takeLatestEpoch (nodes: readonly TestRedis[], node: TestRedis): Promise<void> {
  await until('the nodes agree on epochs', async () => new Set(await Promise.all(nodes.map(readEpochs))).size === 1)
  await node.client.call('CLUSTER', 'BUMPEPOCH')
}

interface SlotMove { readonly slot: number, readonly from: TestRedis, readonly to: TestRedis }

async function moveSlot (nodes: readonly TestRedis[], { slot, from, to }: SlotMove, meanwhile: () => Promise<void>): Promise<void> {
  const [fromId, toId] = [await nodeId(from), await nodeId(to)]
  await takeLatestEpoch(nodes, to)
  await to.client.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', fromId)
  await from.client.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', toId)
  await meanwhile()
  const keys = await from.client.call('CLUSTER', 'GETKEYSINSLOT', slot, 1000) as string[]
  for (const key of keys) await from.client.call('MIGRATE', '127.0.0.1', to.port, key, 0, 5000)
  await meanwhile()
  // The new owner first, or both would send clients to each other.
  for (const { client } of [to, from, ...nodes.filter((node) => node !== to && node !== from)]) await client.call('CLUSTER', 'SETSLOT', slot, 'NODE', toId)
}
