// The fuzzer's long mode: npm run test:fuzz -- --minutes 30 --seed 7
import { spawn } from 'node:child_process'
import { parseArgs } from 'node:util'

const { values: { minutes, seed } } = parseArgs({
  options: { minutes: { type: 'string', default: '5' }, seed: { type: 'string', default: String(Date.now() % 2 ** 31) } }
})
console.log(`fuzzing for ${minutes} min from seed ${seed}`)
const child = spawn(process.execPath, ['.test-build/test/attacks/fuzz.test.js', `--minutes=${minutes}`, `--seed=${seed}`], {
  // The default bound of tap would end it.
  env: { ...process.env, TAP_TIMEOUT: '0' }, stdio: 'inherit'
})
child.on('exit', (code) => { process.exitCode = code ?? 1 })
