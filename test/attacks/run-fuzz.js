// The fuzzer's long mode: npm run test:fuzz -- --minutes 30 --seed 7
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const { values: { minutes, seed } } = parseArgs({
  options: { minutes: { type: 'string', default: '5' }, seed: { type: 'string', default: String(Date.now() % 2 ** 31) } }
})
const root = fileURLToPath(new URL('../../', import.meta.url))
const tap = fileURLToPath(new URL(import.meta.resolve('tap')).href.replace(/dist\/.*$/, 'dist/esm/run.mjs'))
console.log(`fuzzing for ${minutes} min from seed ${seed}`)
const child = spawn(process.execPath, [
  tap, 'run', 'test/attacks/fuzz.test.ts', '--disable-coverage', '--timeout=0', `--test-arg=--minutes=${minutes}`, `--test-arg=--seed=${seed}`
], { cwd: root, stdio: 'inherit' })
child.on('exit', (code) => { process.exitCode = code ?? 1 })
