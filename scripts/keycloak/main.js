// A Keycloak with the guide's realm, for trying by hand; without Docker. Ends with Ctrl-C, and keeps nothing.
//   npm run keycloak [-- --port 8080]
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { postForm } from './admin.js'
import { findHindrance } from './find-home.js'
import { ALICE } from './make-realm.js'
import { startServer } from './start-server.js'

/** Long enough to try by hand; the file has Keycloak's own five minutes. */
const TOKEN_S = 3600
const REALM = JSON.parse(readFileSync('docs/guides/files/keycloak-realm.json', 'utf8'))

async function fill ({ url, admin }) {
  await admin.call('POST', '', { ...REALM, accessTokenLifespan: TOKEN_S })
  const { access_token: token } = await postForm(`${url}/realms/${REALM.realm}/protocol/openid-connect/token`, {
    grant_type: 'password', client_id: 'try-it', username: ALICE.username, password: ALICE.credentials[0].value, scope: 'openid ws:send'
  })
  return token
}

function describe ({ url, password }, token) {
  return `
Keycloak is at ${url}, its console at ${url}/admin/ (admin, ${password}).

The gateway's settings:

KEYCLOAK_URL=${url} KEYCLOAK_REALM=${REALM.realm} KEYCLOAK_CLIENT_ID=portcullis

A token of ${ALICE.username} (one hour), and a line to paste that connects:

${token}

npx wscat -c "ws://127.0.0.1:9001/ws?agent_ids=a1" -H "Authorization: Bearer ${token}"

Ctrl-C ends it.
`
}

const { values: { port } } = parseArgs({ options: { port: { type: 'string', default: '8080' } } })
const hindrance = findHindrance()
if (hindrance !== null) {
  console.error(`keycloak: ${hindrance}`)
  process.exit(1)
}
const asked = Promise.race(['SIGINT', 'SIGTERM'].map(async (signal) => await once(process, signal)))
const server = await startServer({ port: Number(port), note: (text) => { console.error(text) } })
try {
  console.log(describe(server, await fill(server)))
  await asked
} finally {
  await server.stop()
}
