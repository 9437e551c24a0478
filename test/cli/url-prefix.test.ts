import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import t, { type Test } from 'tap'
import { runExplain } from '../../src/cli/explain/run-explain.js'
import { fetchToken } from '../../src/cli/token.js'
import { printFrame } from '../../src/cli/top/run-top.js'
import { takeReading } from '../../src/cli/top/take-reading.js'
import { createPublisher } from '../../src/publisher/create-publisher.js'
import { offenders } from '../support/offenders.js'

/** A server that knows nothing, and which paths it was asked for. */
async function startStranger (t: Test): Promise<{ readonly origin: string, readonly asked: string[] }> {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(request.url?.split('?', 1)[0] ?? '')
    request.resume()
    response.writeHead(404, { connection: 'close' }).end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { server.close() })
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked }
}

/** All of ours that are told a gateway's address: what each asks for there, and what is said of that address. */
const ASKING: Readonly<Record<string, (url: URL) => Promise<string>>> = {
  '/dev/token': async url => JSON.stringify(await fetchToken(url, { sub: 'alice' })),
  '/metrics /readyz': async url => JSON.stringify(await takeReading(url, () => 0)),
  '/v1/explain': async url => (await runExplain({ url, path: '/ws' }, 'secret', Readable.from([]))).stderr,
  '/v1/publish': async url => await createPublisher({ url, key: 'k', retryForMs: 0 }).publish('agent:a1', 'e', 1).then(() => '', () => url.href)
}
const BASES = [['', ''], ['/', ''], ['/gate', '/gate'], ['/gate/', '/gate'], ['/gate/way/', '/gate/way'], ['/gate?key=a#part', '/gate']] as const

t.test('whatever is told the address of a gateway asks it behind its prefix, and names it with that', async (t) => {
  const { origin, asked } = await startStranger(t)
  const cases = BASES.flatMap(([written, prefix]) => Object.entries(ASKING).map(([paths, ask]) => ({ written, prefix, paths, ask })))
  const wrong = await offenders(cases, async ({ written, prefix, paths, ask }) => {
    asked.length = 0
    const said = await ask(new URL(`${origin}${written}`))
    return asked.toSorted().join(' ') === paths.split(' ').map(path => `${prefix}${path}`).join(' ') && said.includes(`${origin}${prefix}`)
  })
  t.same(wrong, [])
})

t.test('the frame of top shows the prefix', async (t) => {
  const { origin } = await startStranger(t)
  let frame = ''
  const terminal = { write: (text: string) => { frame += text } } as unknown as NodeJS.WritableStream
  t.equal(await printFrame({ url: new URL(`${origin}/gate/`), intervalMs: 1 }, terminal), 1)
  t.ok(frame.includes(`${origin}/gate `) || frame.includes(`${origin}/gate\n`), frame)
})
