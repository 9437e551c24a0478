import t from 'tap'
import { waitAtMost } from '../../src/redis/bounded-wait.js'
import { classifyFailure, type RedisFailure } from '../../src/redis/failure.js'

const say = (failure: RedisFailure): string => failure.kind === 'away' ? failure.cause : failure.kind === 'fault' ? `fault ${failure.code}` : 'denied'

/** What is said, by whom, and what it means. */
const SAID: ReadonlyArray<readonly [message: string, meaning: string]> = [
  // The client library.
  ['Command timed out', 'timeout'],
  ['Socket timeout. Expecting data, but didn\'t receive any in 4000ms.', 'timeout'],
  ['connect ETIMEDOUT 192.0.2.1:6379', 'unreachable'],
  ['connect ECONNREFUSED 192.0.2.1:6379', 'unreachable'],
  ['getaddrinfo EAI_AGAIN redis.internal', 'unreachable'],
  ['Connection is closed.', 'unreachable'],
  ['Cluster is disconnecting.', 'unreachable'],
  ['Command aborted due to connection close', 'unreachable'],
  ['Stream isn\'t writeable and enableOfflineQueue options is false', 'unreachable'],
  ['Too many Cluster redirections. Last error: Error: MOVED', 'cluster_down'],
  ['Cluster isn\'t ready and enableOfflineQueue options is false', 'cluster_down'],
  // Redis, to a command.
  ['READONLY You can\'t write against a read only replica.', 'read_only'],
  ['LOADING Redis is loading the dataset in memory', 'loading'],
  ['BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.', 'busy'],
  ['MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to \'no\'.', 'master_down'],
  ['OOM command not allowed when used memory > \'maxmemory\'.', 'out_of_memory'],
  ['MISCONF Redis is configured to save RDB snapshots, but it\'s currently unable to persist to disk.', 'misconfigured'],
  ['NOREPLICAS Not enough good replicas to write.', 'no_replicas'],
  ['CLUSTERDOWN The cluster is down', 'cluster_down'],
  ['NOAUTH Authentication required.', 'unauthenticated'],
  ['WRONGPASS invalid username-password pair or user is disabled.', 'unauthenticated'],
  ['ERR max number of clients reached', 'too_many_clients'],
  ['NOPERM this user has no permissions to run the \'zadd\' command', 'denied'],
  ['NOPERM User gate has no permissions to access one of the channels used as arguments', 'denied'],
  ['WRONGTYPE Operation against a key holding the wrong kind of value', 'fault WRONGTYPE'],
  ['BUSYGROUP Consumer Group name already exists', 'fault BUSYGROUP'],
  ['MOVED 3999 127.0.0.1:6381', 'fault MOVED'],
  ['ERR value is not an integer or out of range', 'fault ERR'],
  // Redis, in a script: 7.0, 7.2 and later, 6.2.
  ['OOM command not allowed when used memory > \'maxmemory\'. script: a9b8cd13, on @user_script:1.', 'out_of_memory'],
  ['ERR Error running script (call to f_1): @user_script: 12: -OOM command not allowed when used memory > \'maxmemory\'.', 'out_of_memory'],
  ['ERR Error running script (call to f_1): @user_script:3: @user_script: 3: READONLY You can\'t write against a read only replica. ', 'read_only'],
  ['ERR The user executing the script can\'t run this command or subcommand script: f94891, on @user_script:1.', 'denied'],
  ['ERR The user executing the script can\'t access at least one of the keys mentioned in the command arguments', 'denied'],
  ['ERR ACL failure in script: No permissions to access a key script: f94891, on @user_script:1.', 'denied'],
  ['ERR ACL failure in script: User gate has no permissions to run the \'hset\' command', 'denied'],
  ['user_script:2: attempt to perform arithmetic on a nil value', 'fault Error']
]

t.test('each failure has its meaning, whoever noticed it: the client library, Redis, or Redis in a script', async (t) => {
  const found = SAID.map(([message, meaning]) => ({ message, meaning, found: say(classifyFailure(new Error(message))) }))
  const wrong = found.filter(one => one.meaning !== one.found)
  t.same(wrong, [])
})

t.test('our own bound is a time-out, a cluster speaks for the node that it asked last, and what is no error is a fault', async (t) => {
  const ownBound: unknown = await waitAtMost(new Promise<never>(() => {}), 1, 'admit').catch((error: unknown) => error)
  const ofCluster = Object.assign(new Error('Failed to refresh slots cache.'), { lastNodeError: new Error('WRONGPASS invalid') })
  const ofTls = Object.assign(new Error('self-signed certificate'), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' })
  const ofLibrary = Object.assign(new Error('words of a later version'), { name: 'AbortError' })
  const errors = [ownBound, ofCluster, ofTls, ofLibrary, new Error('Failed to refresh slots cache.'), 'text', new TypeError('x')]
  t.same(errors.map(error => say(classifyFailure(error))),
    ['timeout', 'unauthenticated', 'unreachable', 'unreachable', 'cluster_down', 'fault unknown', 'fault TypeError'])
})

t.test('what a client sent cannot pass for a word of Redis', async (t) => {
  const quoted = ['ERR unknown command \'OOM \', with args beginning with:', 'ERR no such key: user-READONLY x', 'WRONGTYPE READONLY x']
  t.same(quoted.map(message => classifyFailure(new Error(message)).kind), quoted.map(() => 'fault'))
})
