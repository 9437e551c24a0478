import t from 'tap'
import { baseOf, joinUrl } from '../src/join-url.js'
import { offenders } from './support/offenders.js'

/** Bases, and what is asked at each for `/v1/explain`. */
const JOINED = [
  ['http://127.0.0.1:9002', 'http://127.0.0.1:9002/v1/explain'],
  ['http://127.0.0.1:9002/', 'http://127.0.0.1:9002/v1/explain'],
  ['https://host/gate', 'https://host/gate/v1/explain'],
  ['https://host/gate/', 'https://host/gate/v1/explain'],
  ['https://host/gate/way//', 'https://host/gate/way/v1/explain'],
  ['https://host/gate?key=a#part', 'https://host/gate/v1/explain'],
  ['https://host/a%2Fb', 'https://host/a%2Fb/v1/explain'],
  ['https://[::1]:8443/gate', 'https://[::1]:8443/gate/v1/explain']
] as const

t.test('a path is joined behind the prefix of a server, with and without a slash at its end', async (t) => {
  t.same(await offenders(JOINED, ([base, joined]) => joinUrl(base, '/v1/explain').href === joined && joinUrl(new URL(base), '/v1/explain').href === joined), [])
  const base = new URL('https://host/gate')
  joinUrl(base, '/metrics')
  t.equal(base.href, 'https://host/gate', 'the base stays as it was')
})

t.test('a server is named by origin and prefix', async (t) => {
  t.same(await offenders(JOINED, ([base, joined]) => `${baseOf(new URL(base))}/v1/explain` === joined), [])
})

t.test('what is no http URL is refused', async (t) => {
  t.same(await offenders(['', 'host', '/gate', 'ftp://host', 'mailto:a@host', 'data:,'], (base) => {
    try {
      return joinUrl(base, '/metrics').href === ''
    } catch (error) {
      return error instanceof TypeError
    }
  }), [])
})
