import t from 'tap'
import { isLoopbackHost } from '../../src/address/loopback-host.js'
import { offenders } from '../support/offenders.js'

t.test('loopback by name or address, with or without a port, and nothing that only begins or ends so', async (t) => {
  t.same(await offenders(['localhost', 'localhost:9001', 'LOCALHOST', '127.0.0.1', '127.1.2.3:80', '[::1]:9001', '[::1]'], isLoopbackHost), [])
  const foreign = [
    'evil.example', 'evil.example:9001', '127.0.0.1.evil.example', 'localhost.evil.example', 'localhost.', '', ':9001', '192.0.2.1:9001', '[::2]:9001', '0.0.0.0:9001',
    '0:9001', '127.1', '2130706433', 'localhost, evil.example', 'evil.example, localhost', 'localhost@evil.example'
  ]
  t.same(await offenders(foreign, host => !isLoopbackHost(host)), [])
})
