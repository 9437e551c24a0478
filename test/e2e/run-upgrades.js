// The long mode of the test of many upgrades: npm run test:upgrades -- --upgrades 32000 --fan-out 2x500x20
import { spawn } from 'node:child_process'
import { parseArgs } from 'node:util'

const { values: { upgrades, 'fan-out': fanOut } } = parseArgs({
  options: { upgrades: { type: 'string', default: '32000' }, 'fan-out': { type: 'string', default: '2x500x20' } }
})
const child = spawn(process.execPath, ['.test-build/test/e2e/upgrade-storm.test.js', `--upgrades=${upgrades}`, `--fan-out=${fanOut}`], {
  // The default bound of tap would end it.
  env: { ...process.env, TAP_TIMEOUT: '0' }, stdio: 'inherit'
})
child.on('exit', (code) => { process.exitCode = code ?? 1 })
