import { readFileSync } from 'node:fs'
import t from 'tap'
import { loadBinding } from '../../../src/transport/uws/binding.js'
import { describePlatform, isTested, TESTED_NODES } from '../../../src/transport/uws/platform.js'
import { PROJECT } from '../../support/root.js'

const PACKAGE = JSON.parse(readFileSync(new URL('package.json', PROJECT), 'utf8')) as { engines: { node: string } }

t.test('the platform is told with Node, the C library and the release of the binding', async (t) => {
  const binding = loadBinding()
  const library = process.platform === 'linux' ? '(glibc 2\\.\\d+|a C library that is not glibc)' : process.platform
  t.match(describePlatform(binding), new RegExp(`^Node ${process.version.replaceAll('.', '\\.')}, ${library}, \\S+ \\d+\\.\\d+\\.\\d+\\S*$`))
  t.match(binding.release, binding.name === 'older' ? /^@trufflesuite\/uws-js-unofficial 20\.30\./ : /^\S*uwebsockets\.js \d/i)
})

t.test('engines in package.json name the releases of Node on which the suite runs, and no others', async (t) => {
  const tested = [...TESTED_NODES.older, ...TESTED_NODES.current]
  t.equal(PACKAGE.engines.node, tested.join(' || '))
  const { uws } = loadBinding()
  const judge = (name: 'current' | 'older') => [20, 21, 22, 23, 24, 25, 26].filter(major => isTested({ uws, name, release: '', reason: '' }, major))
  t.same({ current: judge('current'), older: judge('older') }, TESTED_NODES)
})
