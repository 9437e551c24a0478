import { ReplyError } from '#ioredis'
import t from 'tap'
import { describeOperationFault, OperationFault } from '../src/operation-fault.js'
import { RedisTimeout } from '../src/redis/bounded-wait.js'

t.test('each fault has its own cause, and nothing of what Redis said is repeated', async (t) => {
  const said = (text: string): string => describeOperationFault(new ReplyError(text))
  t.equal(describeOperationFault(new RedisTimeout('secret')), 'Redis cannot do it now: it does not answer in time')
  t.equal(describeOperationFault(Object.assign(new Error('getaddrinfo secret'), { code: 'ENOTFOUND' })), 'Redis cannot do it now: it cannot be reached: host, port, TLS or firewall (ENOTFOUND)')
  t.equal(said('OOM command not allowed secret'), 'Redis cannot do it now: it takes no writes: its memory is full')
  t.equal(said('WRONGPASS secret'), 'Redis cannot do it now: it denies access: user or password')
  t.equal(said('NOPERM secret'), 'Redis cannot do it now: it denies access: the rights of the user')
  t.equal(said('WRONGTYPE secret'), 'Redis cannot do it now: it answered with an error (WRONGTYPE)')
  t.equal(describeOperationFault(new TypeError('secret')), 'a fault of the gateway (TypeError): please report it')
  t.equal(describeOperationFault(new AggregateError([], 'secret')), 'no worker answers')
  t.equal(describeOperationFault(new OperationFault('in our own words')), 'in our own words')
})
