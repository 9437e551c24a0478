import t from 'tap'
import Type from '#typebox'
import type { Answer } from '../../src/http/answers.js'
import { createRoute } from '../../src/http/create-route.js'
import { NO_INPUT, type IncomingRequest } from '../../src/http/route.js'
import { createSecret } from '../../src/http/secrets.js'
import { createShape } from '../../src/http/shape.js'

const SECRET = 's'.repeat(32)
const word = (name: string) => createShape(Type.Object({ [name]: Type.String({ maxLength: 3 }) }), `${name}: wanted at most 3 characters`)

/** A route that wants something of every part of a request, and what was done to answer. */
function trace (): { ask: (more?: Partial<IncomingRequest> & { text?: string }) => Promise<Answer>, done: string[] } {
  const done: string[] = []
  const route = createRoute({
    ...NO_INPUT,
    method: 'POST',
    path: '/:p',
    secret: createSecret('publish', [SECRET], () => {}),
    params: word('p'),
    query: word('q'),
    body: { bounds: { maxBytes: 10, timeoutMs: 1000 }, shape: word('b') },
    tag: 'back ends',
    summary: '',
    answers: {},
    handle ({ params, query, body }) {
      done.push('handled')
      return { status: 200, body: { ...params, ...query, ...body } }
    }
  })
  const ask = async ({ text = '{"b":"3"}', ...more }: Partial<IncomingRequest> & { text?: string } = {}): Promise<Answer> => await route.serve({
    params: { p: '1' },
    query: { q: '2', other: 'x' },
    hasPlainPlus: false,
    viaTrustedProxy: false,
    headers: new Map([['x-publish-key', SECRET]]),
    address: { ip: '192.0.2.1', key: '192.0.2.1' },
    async readBody ({ maxBytes }) {
      done.push(`read ${maxBytes}`)
      return { ok: true, bytes: Buffer.from(text) }
    },
    ...more
  })
  return { ask, done }
}

t.test('a handler gets what fits, and the body is read within its bounds', async (t) => {
  const { ask, done } = trace()
  t.same(await ask(), { status: 200, body: { p: '1', q: '2', other: 'x', b: '3' } })
  t.same(done, ['read 10', 'handled'])
})

t.test('the secret is judged before anything else, segments and query before the body', async (t) => {
  const { ask, done } = trace()
  const long = '1234'
  t.match(await ask({ headers: new Map(), params: { p: long } }), { status: 401, body: { error: 'unauthorized' } })
  t.match(await ask({ params: { p: long }, query: { q: long } }), { status: 400, body: { error: 'bad_request', message: 'p: wanted at most 3 characters' } })
  t.match(await ask({ query: { q: long } }), { status: 400, body: { message: 'q: wanted at most 3 characters' } })
  t.same(done, [])
})

t.test('a body that cannot be read, is no JSON or does not fit never reaches the handler', async (t) => {
  const { ask, done } = trace()
  t.same(await ask({ readBody: async () => ({ ok: false, answer: { status: 413 } }) }), { status: 413 })
  t.match(await ask({ text: '{' }), { status: 400, body: { message: 'the body is not valid JSON' } })
  for (const text of ['null', '[]', '{"b":"1234"}', '{}']) t.match(await ask({ text }), { status: 400, body: { message: 'b: wanted at most 3 characters' } }, text)
  t.notOk(done.includes('handled'))
})

t.test('a + in the query of a request with a secret is 400 and says what to write, and nothing is read', async (t) => {
  const { ask, done } = trace()
  t.match(await ask({ hasPlainPlus: true }), { status: 400, body: { error: 'bad_request', message: /%2B.*%20/ } })
  t.match(await ask({ hasPlainPlus: true, headers: new Map() }), { status: 401 }, 'nobody without the secret is told of it')
  t.same(done, [])
})
