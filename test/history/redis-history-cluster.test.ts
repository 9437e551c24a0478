import t from 'tap'
import { openClusterClient } from '../bus/clients.js'
import { startRedisCluster } from '../support/redis.js'
import { testHistory } from './history-conformance.js'
import { hearTopics, makeRedisSubjects } from './subjects.js'

const cluster = await startRedisCluster(t, { argsOf: () => ['--enable-debug-command', 'yes'] })
testHistory(t, makeRedisSubjects(await openClusterClient(t, cluster), cluster.nodes, async t => await hearTopics(t, cluster)))
