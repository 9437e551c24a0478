import type { Cluster, Redis } from '#ioredis'

/** A single Redis or a Redis Cluster: what `connectRedis` gives for commands. */
export type RedisClient = Redis | Cluster
