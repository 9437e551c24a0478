import { readAddress, readRedisUrl, type RedisNode } from '../redis/read-url.js'
import type { ReportMistake } from './read-settings.js'
import type { SettingName, SettingValues } from './settings.js'

/** Whether the settings name a Redis, of whichever kind. */
export function hasRedis (values: SettingValues): boolean {
  return values.REDIS_URL !== undefined || values.REDIS_CLUSTER_URLS.length > 0 || values.REDIS_SENTINELS.length > 0
}

/** Reads a URL; the reason never repeats it, as it may hold a password. */
function readUrl (setting: SettingName, url: string, report: ReportMistake): RedisNode | null {
  try {
    return readRedisUrl(url)
  } catch (error) {
    report(setting, `must be a redis:// or rediss:// URL: ${error instanceof Error ? error.message : 'it cannot be read'}`)
    return null
  }
}

function checkSentinels (values: SettingValues, report: ReportMistake): void {
  const { REDIS_SENTINELS: sentinels, REDIS_SENTINEL_MASTER: master, REDIS_SENTINEL_PASSWORD: password } = values
  if (sentinels.length === 0) {
    if (master !== undefined) report('REDIS_SENTINELS', 'is needed with REDIS_SENTINEL_MASTER: host:port of each Sentinel')
    if (password !== undefined) report('REDIS_SENTINELS', 'is needed with REDIS_SENTINEL_PASSWORD: host:port of each Sentinel')
    return
  }
  if (master === undefined) report('REDIS_SENTINEL_MASTER', 'is needed with REDIS_SENTINELS: the name under which they watch the master')
  if (values.REDIS_CLUSTER_URLS.length > 0) report('REDIS_SENTINELS', 'stands instead of REDIS_CLUSTER_URLS, not beside it: a cluster fails over by itself')
  for (const [i, sentinel] of sentinels.entries()) {
    // Not repeated: somebody may have written a URL with a password.
    if (readAddress(sentinel) === null) report('REDIS_SENTINELS', `entry ${i + 1} is not host:port, such as 10.0.0.1:26379 or [fd00::1]:26379`)
  }
}

/** Reports what in the settings for Redis cannot be, alone and together. */
export function checkRedisSettings (values: SettingValues, report: ReportMistake): void {
  const { REDIS_URL: url, REDIS_CLUSTER_URLS: clusterUrls } = values
  if (url !== undefined && clusterUrls.length > 0) report('REDIS_CLUSTER_URLS', 'stands instead of REDIS_URL, not beside it')
  if (url !== undefined) readUrl('REDIS_URL', url, report)
  const nodes = clusterUrls.map((each) => readUrl('REDIS_CLUSTER_URLS', each, report))
  if (nodes.some((node) => (node?.access.db ?? 0) !== 0)) report('REDIS_CLUSTER_URLS', 'a cluster has the database 0 only')
  checkSentinels(values, report)
}
