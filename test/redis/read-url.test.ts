import t from 'tap'
import { readAddress, readRedisUrl } from '../../src/redis/read-url.js'

t.test('a URL gives address, user, password, database and TLS', async (t) => {
  t.same(readRedisUrl('redis://r'), { address: { host: 'r', port: 6379 }, access: {}, tls: false })
  t.same(readRedisUrl('rediss://u:p%40ss@[fd00::1]:7000/3'), {
    address: { host: 'fd00::1', port: 7000 }, access: { username: 'u', password: 'p@ss', db: 3 }, tls: true
  })
})

t.test('what is no URL of a Redis is refused without being repeated', async (t) => {
  const repeats = ['redis://:secret@[bad', 'http://secret', 'redis://:secret@r/db', 'secret', ''].filter((text) => {
    try {
      readRedisUrl(text)
      return true
    } catch (error) {
      return String(error).includes('secret')
    }
  })
  t.same(repeats, [])
})

t.test('an address is a host and a port, and nothing else', async (t) => {
  t.same(readAddress('sentinel-1.internal:26379'), { host: 'sentinel-1.internal', port: 26379 })
  t.same(readAddress('[fd00::1]:1'), { host: 'fd00::1', port: 1 })
  const bad = ['', 'a', 'a:', ':1', 'a:0', 'a:65536', 'a:1x', 'fd00::1:26379', '[fd00::1]', '[a]:1', 'redis://a:1', 'u:p@a:1', 'a b:1', 'a:1/0']
  t.same(bad.filter(text => readAddress(text) !== null), [])
})
