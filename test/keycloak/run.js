// The way through a real Keycloak: starts one, runs test/keycloak against it, and ends it.
//   npm run test:keycloak [-- test/keycloak/tokens.test.ts …]
// KEYCLOAK_TEST_URL and KEYCLOAK_TEST_PASSWORD name one that runs already. Where none can be run, a line says why not.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { findHindrance } from '../../scripts/keycloak/find-home.js'
import { startServer } from '../../scripts/keycloak/start-server.js'

const files = process.argv.length > 2 ? process.argv.slice(2) : ['test/keycloak']

async function runTests (env) {
  // Keycloak has the other half of two cores.
  const child = spawn(process.execPath, ['scripts/tests/main.js', '--jobs', '2', '--times', ...files], { stdio: 'inherit', env: { ...process.env, ...env } })
  const [code] = await once(child, 'exit')
  process.exitCode = code ?? 1
}

async function run () {
  if (process.env.KEYCLOAK_TEST_URL) return await runTests({})
  const hindrance = findHindrance()
  if (hindrance !== null) return console.log(`test:keycloak was not run: ${hindrance}`)
  const startedMs = performance.now()
  const server = await startServer({ note: (text) => { console.log(text) } })
  console.log(`Keycloak was ready after ${Math.round((performance.now() - startedMs) / 1000)} s`)
  try {
    await runTests({ KEYCLOAK_TEST_URL: server.url, KEYCLOAK_TEST_PASSWORD: server.password })
  } finally {
    await server.stop()
  }
}

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => { process.exit(1) })
await run()
