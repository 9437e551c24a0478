import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { offenders } from '../support/offenders.js'
import { PROJECT } from '../support/root.js'

const PROGRAM = fileURLToPath(new URL('test/chaos/run.js', PROJECT))

interface Summary {
  readonly operations: Readonly<Record<string, number>>
  readonly faults: Readonly<Record<string, number>>
  readonly invariants: Readonly<Record<string, { readonly checks: number, readonly violations: number }>>
  readonly violations: readonly unknown[]
}

async function runChaos (t: Test, args: readonly string[]): Promise<{ code: number | null, output: string, summary: Summary }> {
  const folder = await mkdtemp(join(tmpdir(), 'portcullis-chaos-test-'))
  const file = join(folder, 'summary.json')
  const child = spawn(process.execPath, [PROGRAM, ...args, '--json', file], { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => { output += text })
  const ended = once(child, 'close') as Promise<[number | null]>
  t.teardown(async () => {
    // Not SIGKILL: it ends what it has started.
    child.kill('SIGTERM')
    await ended
    await rm(folder, { recursive: true, force: true })
  })
  const [code] = await ended
  return { code, output, summary: JSON.parse(await readFile(file, 'utf8').catch(() => '{}')) as Summary }
}

// Most of the time is spent waiting; each of the three takes a third of what two processors can do.
t.jobs = 3

/** Seeds whose faults are those of the topology: an old snapshot, a lost master, lost answers; and of the network, the clock, a process. */
const RUNS = { single: '591', sentinel: '2954', cluster: '1695' }

await Promise.all(Object.entries(RUNS).map(async ([topology, seed]) => {
  await t.test(`while faults strike, and after them, every invariant holds: ${topology}`, { buffered: true }, async (t) => {
    const { code, output, summary } = await runChaos(t, ['--minutes', '0.12', '--seed', seed, '--clients', '25', '--topology', topology])
    t.equal(code, 0, output)
    t.same(summary.violations, [])
    t.ok(Object.keys(summary.faults).length >= 4, 'several kinds of faults struck')
    const checks = Object.entries(summary.invariants)
    t.ok(checks.length > 17)
    t.same(await offenders(checks, ([, { checks: count }]) => count > 0), [])
    t.ok((summary.operations['attempts: open'] ?? 0) > 50, 'there were connections')
  })
}))

t.test('arguments that make no sense are refused', { buffered: true }, async (t) => {
  const { code, output } = await runChaos(t, ['--minutes', '-1'])
  t.equal(code, 1)
  t.match(output, /--minutes.*it is a number from/)
})
