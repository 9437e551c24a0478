import t from 'tap'
import { decodeSegments, matchPath, readQuery, rewritePath, splitTarget } from '../../src/http/target.js'

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

t.test('a last segment with a + takes what follows too, slashes included, and is never empty', async (t) => {
  const taken = ['/v1/bans/a', '/v1/bans/a/b', '/v1/bans/a%2Fb', '/v1/bans/a/', '/v1/bans//a', '/v1/bans/a/b%2Fc/d', '/v1/bans/a+']
  t.same(taken.map(path => match('/v1/bans/:rest+', path)), ['a', 'a/b', 'a/b', 'a/', '/a', 'a/b/c/d', 'a+'].map(rest => ({ rest })))
  t.same(['/v1/bans', '/v1/bans/', '/v1/other/a', '/v1', '/a/v1/bans/b'].filter(path => match('/v1/bans/:rest+', path) !== null), [])
})

t.test('the named segments of a path are written anew, each by its name', async (t) => {
  t.equal(rewritePath('/v1/:a/x/:bc+', (name, takesRest) => `<${name}${takesRest ? ' …' : ''}>`), '/v1/<a>/x/<bc …>')
})
