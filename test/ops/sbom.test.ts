import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { PROJECT } from '../support/root.js'

interface Component {
  readonly name: string
  readonly version: string
  readonly purl: string
  readonly licenses?: ReadonlyArray<{ readonly license: { readonly id: string } }>
  readonly hashes?: readonly unknown[]
}

interface Bill {
  readonly bomFormat: string
  readonly metadata: { readonly component: Component }
  readonly components: readonly Component[]
  readonly dependencies: ReadonlyArray<{ readonly ref: string, readonly dependsOn: readonly string[] }>
}

/** An entry of package-lock.json. */
interface Locked {
  readonly version: string
  readonly name?: string
  readonly license?: string
  readonly dev?: true
  readonly optional?: true
  readonly devOptional?: true
  readonly link?: true
}

const ROOT = fileURLToPath(PROJECT)
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8')
const LOCK = JSON.parse(read('package-lock.json')) as { packages: Readonly<Record<string, Locked>> }
const { dependencies: DIRECT } = JSON.parse(read('package.json')) as { dependencies: Readonly<Record<string, string>> }

function writeBill (file: string, ...folder: readonly string[]): Bill {
  execFileSync(process.execPath, ['scripts/write-sbom.js', file, ...folder], { cwd: ROOT })
  return JSON.parse(readFileSync(file, 'utf8')) as Bill
}

t.test('the bill of materials names every package that runs in production, with version and licence', async (t) => {
  const folder = t.testdir({ binding: { 'package.json': '{"name":"uWebSockets.js","version":"20.69.0","license":"Apache-2.0"}' } })
  const { bomFormat, metadata, components, dependencies } = writeBill(join(folder, 'bill.json'))
  t.same([bomFormat, metadata.component.name], ['CycloneDX', 'portcullis'])
  const production = Object.entries(LOCK.packages).filter(([path, { dev, optional, devOptional, link }]) =>
    path.startsWith('node_modules/') && dev !== true && optional !== true && devOptional !== true && link !== true)
  const wanted = production.map(([path, { name, version, license = '' }]) => `${name ?? path.split('node_modules/').at(-1) ?? ''} ${version} ${license}`)
  const nameIn = ({ purl }: Component): string => decodeURIComponent(purl.slice('pkg:npm/'.length)).replace(/@[^@]+$/, '')
  const told = components.map(each => `${nameIn(each)} ${each.version} ${each.licenses?.map(({ license }) => license.id).join(' ') ?? ''}`)
  t.same(wanted.filter(each => !told.includes(each)), [])
  t.same(told.filter(each => !wanted.includes(each)), ['@portcullis/client 0.1.0 Apache-2.0'], 'and nothing else but our own client')
  t.same(components.filter(each => each.hashes === undefined).map(nameIn), ['@portcullis/client'], 'each with its checksum')
  t.same(Object.keys(DIRECT).filter(name => !components.some(each => each.name === name)), [])
  t.same(dependencies.flatMap(({ dependsOn }) => dependsOn).filter(ref => !dependencies.some(each => each.ref === ref)), [], 'what needs what')

  const binding = writeBill(join(folder, 'other.json'), join(folder, 'binding')).components.find(({ name }) => name === 'uWebSockets.js')
  t.match(binding, { version: '20.69.0', purl: 'pkg:github/unetworking/uwebsockets.js@v20.69.0', hashes: undefined }, 'the binding as it is installed')
})

t.test('the image\'s build writes it once the binding is there, and the image has it', async (t) => {
  const steps = [
    'npm install --no-save', '\nRUN node scripts/verify-binding.js\n', '\nRUN node scripts/write-sbom.js sbom.cdx.json\n',
    '\nCOPY --from=packages /app/sbom.cdx.json ./\n'
  ]
  const places = steps.map(step => read('Dockerfile').indexOf(step))
  t.notOk(places.includes(-1))
  t.same(places, places.toSorted((a, b) => a - b))
  t.ok(read('.dockerignore').includes('\n!scripts/write-sbom.js\n'))
  t.match(read('SECURITY.md'), '/app/sbom.cdx.json')
})
