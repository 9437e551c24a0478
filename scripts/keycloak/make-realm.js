// Makes the guide's realm by the admin REST interface, in a Keycloak that gives every realm its own clients and scopes first.

const access = { 'introspection.token.claim': 'true', 'userinfo.token.claim': 'false', 'id.token.claim': 'false', 'access.token.claim': 'true' }

const listMapper = (name) => ({
  name,
  protocol: 'openid-connect',
  protocolMapper: 'oidc-usermodel-attribute-mapper',
  config: { ...access, 'user.attribute': name, 'claim.name': name, 'jsonType.label': 'String', multivalued: 'true', 'aggregate.attrs': 'true' }
})

const SCOPES = [
  {
    name: 'portcullis',
    description: 'Makes a token one for Portcullis, with what its user may see',
    protocol: 'openid-connect',
    attributes: { 'include.in.token.scope': 'false', 'display.on.consent.screen': 'false' },
    protocolMappers: [
      {
        name: 'portcullis audience',
        protocol: 'openid-connect',
        protocolMapper: 'oidc-audience-mapper',
        config: { 'included.client.audience': 'portcullis', 'introspection.token.claim': 'true', 'id.token.claim': 'false', 'access.token.claim': 'true' }
      },
      listMapper('agents'),
      listMapper('tasks')
    ]
  },
  {
    name: 'ws:send',
    description: 'May send messages to agents and tasks that the user may see',
    protocol: 'openid-connect',
    attributes: { 'include.in.token.scope': 'true', 'display.on.consent.screen': 'false' }
  }
]

const noFlow = { standardFlowEnabled: false, implicitFlowEnabled: false, directAccessGrantsEnabled: false, serviceAccountsEnabled: false }

const CLIENTS = [
  {
    clientId: 'portcullis',
    name: 'The gateway: audience of tokens, and who asks for introspection',
    ...noFlow,
    publicClient: false,
    secret: 'change-me-before-the-import',
    fullScopeAllowed: false
  },
  {
    clientId: 'web',
    name: 'The application in the browser',
    ...noFlow,
    standardFlowEnabled: true,
    publicClient: true,
    rootUrl: 'https://app.example.com',
    redirectUris: ['https://app.example.com/*'],
    webOrigins: ['https://app.example.com'],
    attributes: { 'pkce.code.challenge.method': 'S256', 'post.logout.redirect.uris': '+' }
  },
  {
    clientId: 'try-it',
    name: 'For trying by hand with a password; disable or delete it in production',
    ...noFlow,
    directAccessGrantsEnabled: true,
    publicClient: true,
    fullScopeAllowed: false
  }
]

/** The clients whose users connect. */
const FRONT_ENDS = ['web', 'try-it']

const idList = (name, displayName) => ({
  name,
  displayName,
  validations: { length: { max: 128 }, pattern: { pattern: '^[A-Za-z0-9._:-]+$', 'error-message': '' } },
  // A user who may edit these decides what to see.
  permissions: { view: ['admin'], edit: ['admin'] },
  multivalued: true
})

export const ALICE = {
  username: 'alice',
  enabled: true,
  email: 'alice@example.com',
  emailVerified: true,
  firstName: 'Alice',
  lastName: 'Example',
  attributes: { agents: ['a1', 'a2'], tasks: ['t1'] },
  credentials: [{ type: 'password', value: 'alice-tries-it', temporary: false }]
}

/** Creates the realm: settings, user profile, scopes, clients. No user yet: an export leaves them out. */
export async function makeRealm ({ call }, realm) {
  const path = `/${encodeURIComponent(realm)}`
  await call('POST', '', { realm, enabled: true, sslRequired: 'external', bruteForceProtected: true, accessTokenLifespan: 300 })
  const profile = await call('GET', `${path}/users/profile`)
  const attributes = [...profile.attributes, idList('agents', 'May see these agents'), idList('tasks', 'May see these tasks')]
  await call('PUT', `${path}/users/profile`, { ...profile, attributes })
  for (const client of CLIENTS) await call('POST', `${path}/clients`, client)
  for (const scope of SCOPES) await call('POST', `${path}/client-scopes`, scope)
  const scopes = new Map((await call('GET', `${path}/client-scopes`)).map(({ name, id }) => [name, id]))
  for (const clientId of FRONT_ENDS) {
    const [{ id }] = await call('GET', `${path}/clients?clientId=${clientId}`)
    await call('PUT', `${path}/clients/${id}/default-client-scopes/${scopes.get('portcullis')}`)
    await call('PUT', `${path}/clients/${id}/optional-client-scopes/${scopes.get('ws:send')}`)
  }
}
