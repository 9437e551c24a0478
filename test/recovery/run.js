// Ten faults, every event counted, for longer than in the suite:
//   npm run test:recovery -- --minutes 10 --seed 7 [--topology sentinel|cluster] [--clients 200]
import { spawn } from 'node:child_process'
import { parseArgs } from 'node:util'

const { values: { minutes, seed, clients, topology } } = parseArgs({
  options: {
    minutes: { type: 'string', default: '5' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    clients: { type: 'string', default: '200' },
    topology: { type: 'string' }
  }
})
console.log(`${clients} clients through ten faults for ${minutes} min from seed ${seed}`)
const args = [`--minutes=${minutes}`, `--seed=${seed}`, `--clients=${clients}`, ...(topology === undefined ? [] : [`--topology=${topology}`])]
const child = spawn(process.execPath, ['--enable-source-maps', '.test-build/test/recovery/recovery.test.js', ...args], {
  // The default bound of tap would end it.
  env: { ...process.env, TAP_TIMEOUT: '0' }, stdio: 'inherit'
})
child.on('exit', (code) => { process.exitCode = code ?? 1 })
