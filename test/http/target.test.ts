import t from 'tap'
import { decodeSegments, matchPath, readQuery, splitTarget } from '../../src/http/target.js'

const match = (routePath: string, path: string): unknown => matchPath(routePath, decodeSegments(path) ?? [])

t.test('a target is split at its first question mark', async (t) => {
  t.same(splitTarget('/a?b=1?c'), { path: '/a', query: 'b=1?c' })
  t.same(splitTarget('/a'), { path: '/a', query: '' })
})

t.test('of parameters with one name the first counts, and none of them shapes an object', async (t) => {
  t.same(readQuery('a=1&a=2&b=%20&c'), { a: '1', b: ' ', c: '' })
  t.same(readQuery(''), {})
  t.same(Object.entries(readQuery('__proto__=x')), [['__proto__', 'x']])
})

t.test('a named segment takes one that is not empty, decoded after the path is split', async (t) => {
  t.same(match('/v1/users/:id/connections', '/v1/users/a%2Fb/connections'), { id: 'a/b' })
  t.same(match('/v1/x', '/v1/x'), {})
  for (const path of ['/v1/users//connections', '/v1/users/a', '/v1/users/a/connections/', '/v1/users/a/b/connections', '/V1/users/a/connections']) {
    t.equal(match('/v1/users/:id/connections', path), null, path)
  }
  t.equal(decodeSegments('/%zz'), null)
})
