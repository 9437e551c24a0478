import type { Cluster, Redis } from '#ioredis'
import type { Test } from 'tap'
import type { RedisProxy } from '../support/redis-proxy.js'
import type { TestRedis } from '../support/redis.js'
import { until } from '../support/until.js'

/** What there is of Redis, behind proxies that gateways and back ends go through. */
export interface RedisWorld {
  /** Of a gateway. */
  readonly settings: Readonly<Record<string, string>>
  readonly proxies: readonly RedisProxy[]
  /** Who takes writes now. */
  masters (): Promise<readonly TestRedis[]>
  /** A client of a back end, which ends with the test. */
  openClient (): Redis | Cluster
  /** One comes back with what it had at this moment. */
  restart (): Promise<void>
  /** A replica takes over without what its master took last: `untilTaken` resolves when there is enough of that. */
  loseWrites (untilTaken: () => Promise<void>): Promise<void>
}

export type StartRedisWorld = (t: Test) => Promise<RedisWorld>

export const replicates = async ({ client }: TestRedis): Promise<boolean> => (await client.info('replication')).includes('master_link_status:up')
export const isMaster = async ({ client }: TestRedis): Promise<boolean> => (await client.info('replication')).includes('role:master')

/**
 * What the master takes from now on does not reach its replica, which takes over when the master has died, and which the old one then
 * follows. `takenOver` resolves when all know of the new master.
 */
export async function failOverWithLosses (
  old: TestRedis, next: TestRedis, untilTaken: () => Promise<void>, takenOver: () => Promise<void>
): Promise<void> {
  await next.client.config('SET', 'masterauth', 'not-the-password')
  await old.client.config('SET', 'requirepass', 'another-password')
  await old.client.call('CLIENT', 'KILL', 'TYPE', 'replica')
  await untilTaken()
  await old.stop()
  await takenOver()
  await next.client.config('SET', 'masterauth', '')
  await old.restart()
  await until('the old master follows', async () => await replicates(old))
}
