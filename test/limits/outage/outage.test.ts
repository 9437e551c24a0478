import t from 'tap'
import { nameFailure } from '../../../src/limits/outage/outage.js'
import { waitAtMost } from '../../../src/redis/bounded-wait.js'

t.test('each failure of Redis has its name, whoever noticed it: our own bound, the client library, or Redis', async (t) => {
  const never = new Promise<never>(() => {})
  const ownBound: unknown = await waitAtMost(never, 1, 'admit').catch((error: unknown) => error)
  const named = [
    ownBound, 'Command timed out', 'Socket timeout. Expecting data, but didn\'t receive any in 4000ms.', 'connect ETIMEDOUT 192.0.2.1:6379',
    'Connection is closed.', 'Stream isn\'t writeable and enableOfflineQueue options is false', 'connect ECONNREFUSED 192.0.2.1:6379',
    'READONLY You can\'t write against a read only replica.', 'LOADING Redis is loading the dataset in memory',
    'OOM command not allowed when used memory > \'maxmemory\'.', 'CLUSTERDOWN The cluster is down', 'NOPERM this user has no permissions',
    'WRONGTYPE Operation against a key holding the wrong kind of value'
  ].map(failure => nameFailure(typeof failure === 'string' ? new Error(failure) : failure))
  t.same(named, [
    'timeout', 'timeout', 'timeout', 'unreachable', 'unreachable', 'unreachable', 'unreachable', 'read_only', 'loading', 'out_of_memory', 'cluster_down', 'denied', 'error'
  ])
})
