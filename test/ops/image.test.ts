import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { appendFileSync, cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { PROJECT } from '../support/root.js'

interface Release {
  readonly package: string
  readonly version: string
  readonly loader: string
  readonly binaries: Readonly<Record<string, { readonly sha256: string, readonly suite: string | null }>>
}

const projectPath = (path: string): string => fileURLToPath(new URL(path, PROJECT))
const read = (path: string): string => readFileSync(projectPath(path), 'utf8')

const DOCKERFILE = read('Dockerfile')
const RELEASES = JSON.parse(read('scripts/tested-bindings.json')) as readonly Release[]
const LOCK = JSON.parse(read('package-lock.json')) as { packages: Readonly<Record<string, { name?: string, version: string }>> }
const INSTALLED = projectPath('node_modules/uWebSockets.js')
/** What process.versions.modules is in the releases of Node that an image may have. */
const MODULES = { 22: '127', 24: '137' } as const

const checksum = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex')

/** Runs the script of the build on a folder, on a Node that the image could have. */
function verify (folder: string, modules: string = MODULES[24]) {
  const pretend = `Object.defineProperties(process, { platform: { value: 'linux' }, arch: { value: 'x64' }, versions: { value: { ...process.versions, modules: '${modules}' } } })`
  return spawnSync(process.execPath, [
    '--import', `data:text/javascript,${encodeURIComponent(pretend)}`, projectPath('scripts/verify-binding.js'), folder
  ], { encoding: 'utf8' })
}

t.test('the image has an exact release of Debian and Node, for which a tested binary is listed', async (t) => {
  const [, major] = /^FROM node:(\d+)\.\d+\.\d+-trixie-slim(?:@sha256:[0-9a-f]{64})? AS base$/m.exec(DOCKERFILE) ?? []
  t.ok(major === '22' || major === '24', 'FROM names an exact release')
  const modules = major === '22' ? MODULES[22] : MODULES[24]
  t.match(RELEASES[0]?.binaries[`uws_linux_x64_${modules}.node`]?.suite, new RegExp(`^Node ${major} on Debian 13$`))
})

t.test('the release that package-lock.json installs, and the image ships by default, is a tested one, byte for byte', async (t) => {
  const locked = LOCK.packages['node_modules/uWebSockets.js']
  const release = RELEASES.find(one => one.package === locked?.name && one.version === locked.version)
  t.match(DOCKERFILE, /^ARG UWS_SOURCE=registry$/m)
  t.ok(release, 'package-lock.json has a tested release')
  const listed = { 'uws.js': release?.loader, ...Object.fromEntries(Object.entries(release?.binaries ?? {}).map(([file, { sha256 }]) => [file, sha256])) }
  t.same(Object.fromEntries(Object.keys(listed).map(file => [file, checksum(`${INSTALLED}/${file}`)])), listed)
})

t.test('the build takes the binary for its Node when it is a tested one', async (t) => {
  const answers = Object.values(MODULES).map(modules => verify(INSTALLED, modules))
  t.same(answers.map(({ status }) => status), [0, 0])
  t.match(answers[1]?.stdout, /^@btc-vision\/uwebsockets\.js \S+, uws_linux_x64_137\.node: tested on Node 24 on Debian 13\n$/)
})

t.test('the build refuses a binary, a loader or a release that was not tested, in one sentence', async (t) => {
  const parent = t.testdir({})
  const copyTo = (name: string): string => {
    const folder = join(parent, name)
    cpSync(INSTALLED, folder, { recursive: true, filter: source => !/uws_(?!linux_x64_137)\w+\.node$/.test(source) })
    return folder
  }
  const binary = copyTo('binary')
  appendFileSync(`${binary}/uws_linux_x64_137.node`, '\0')
  const loader = copyTo('loader')
  appendFileSync(`${loader}/uws.js`, '\n')
  const official = copyTo('official')
  writeFileSync(`${official}/package.json`, JSON.stringify({ name: 'uWebSockets.js', version: '20.69.0' }))
  const answers = [verify(binary), verify(loader), verify(official), verify(INSTALLED, '115')]
  t.same(answers.map(({ status, stdout }) => ({ status, stdout })), answers.map(() => ({ status: 1, stdout: '' })))
  const sentences = [/: uws_linux_x64_137\.node is not the one that was tested; CONTRIBUTING\.md .*\n$/, /: uws\.js is not the one that was tested; CONTRIBUTING\.md .*\n$/,
    /^uWebSockets\.js 20\.69\.0: the suite has not run on this release; CONTRIBUTING\.md .*\n$/, /: the suite has not run on its uws_linux_x64_115\.node; CONTRIBUTING\.md .*\n$/]
  t.same(sentences.filter((sentence, n) => !sentence.test(answers[n]?.stderr ?? '')), [])
})

t.test('what the build copies for that reaches it, and it verifies before it throws the other binaries away', async (t) => {
  t.same(['scripts/verify-binding.js', 'scripts/tested-bindings.json'].filter(file => !read('.dockerignore').includes(`\n!${file}\n`)), [])
  t.ok(DOCKERFILE.indexOf('\nRUN node scripts/verify-binding.js\n') > DOCKERFILE.indexOf('npm install --no-save'))
  t.ok(DOCKERFILE.indexOf('\nRUN node scripts/verify-binding.js\n') < DOCKERFILE.indexOf('-delete'))
})

t.test('in-image.sh says how it is used, and takes no Node that is not tested', async (t) => {
  const run = (...args: string[]) => spawnSync(projectPath('scripts/in-image.sh'), args, { encoding: 'utf8' })
  t.match(run('--help'), { status: 0, stdout: /^usage: scripts\/in-image\.sh .*COMMAND/, stderr: '' })
  const wrong = [[], ['--node'], ['--nope', 'true'], ['--mirror']].map(args => run(...args))
  t.same(wrong.map(({ status, stdout }) => ({ status, stdout })), wrong.map(() => ({ status: 2, stdout: '' })))
  t.match(run('--node', '21', 'true'), { status: 1, stdout: '', stderr: 'in-image: no Node 21: 22, or 24 as in the image\n' })
})
