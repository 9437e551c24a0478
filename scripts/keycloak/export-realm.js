// Writes docs/guides/files/keycloak-realm.json: a partial export of a realm that was made by REST, with what an export leaves
// out. A file that names client scopes must name all of them, or the realm's own clients get none.
//   node scripts/keycloak/export-realm.js
import { writeFileSync } from 'node:fs'
import { ALICE, makeRealm } from './make-realm.js'
import { startServer } from './start-server.js'

const FILE = 'docs/guides/files/keycloak-realm.json'
const REALM = 'portcullis'
/** Of this one realm: another that is made of the file has its own. */
const OWN = new Set(['id', 'containerId', 'notBefore', 'keycloakVersion', 'internalId'])

function withoutIds (value) {
  if (Array.isArray(value)) return value.map(withoutIds)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).filter(([name]) => !OWN.has(name)).map(([name, inner]) => [name, withoutIds(inner)]))
}

/** What stands in an export in place of a secret. */
const isMasked = (value) => value === '**********'

function complete (exported) {
  const realm = withoutIds(exported)
  for (const client of realm.clients) {
    if (isMasked(client.secret)) client.secret = 'change-me-before-the-import'
    // The time at which this realm was made.
    delete client.attributes?.['client.secret.creation.time']
  }
  // Without the private half a key is nobody's: each realm that is imported makes its own.
  delete realm.components['org.keycloak.keys.KeyProvider']
  return { ...realm, users: [{ ...ALICE, realmRoles: [`default-roles-${REALM}`] }] }
}

const server = await startServer({ note: (text) => { console.error(text) } })
try {
  await makeRealm(server.admin, REALM)
  const exported = await server.admin.call('POST', `/${REALM}/partial-export?exportClients=true&exportGroupsAndRoles=true`)
  writeFileSync(FILE, `${JSON.stringify(complete(exported), null, 2)}\n`)
} finally {
  await server.stop()
}
