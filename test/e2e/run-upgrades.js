// The long mode of the test of many upgrades: npm run test:upgrades -- --upgrades 32000 --fan-out 2x500x20
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const { values: { upgrades, 'fan-out': fanOut } } = parseArgs({
  options: { upgrades: { type: 'string', default: '32000' }, 'fan-out': { type: 'string', default: '2x500x20' } }
})
const root = fileURLToPath(new URL('../../', import.meta.url))
const tap = fileURLToPath(new URL(import.meta.resolve('tap')).href.replace(/dist\/.*$/, 'dist/esm/run.mjs'))
const child = spawn(process.execPath, [
  tap, 'run', 'test/e2e/upgrade-storm.test.ts', '--disable-coverage', '--timeout=0',
  `--test-arg=--upgrades=${upgrades}`, `--test-arg=--fan-out=${fanOut}`
], { cwd: root, stdio: 'inherit' })
child.on('exit', (code) => { process.exitCode = code ?? 1 })
