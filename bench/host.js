import { spawnSync } from 'node:child_process'
import { cpus, release, totalmem } from 'node:os'
import { loadBinding } from '../dist/server/binding.js'

/** What a figure depends on besides the code. */
export function describeHost () {
  const redis = spawnSync('redis-server', ['--version'], { encoding: 'utf8' })
  const { name, reason } = loadBinding()
  return {
    cpu: `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    kernel: release(),
    node: process.version,
    uWebSockets: `${name}: ${reason}`,
    redis: /v=(\S+)/.exec(redis.stdout ?? '')?.[1] ?? 'not found'
  }
}
