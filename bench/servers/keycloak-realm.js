import { randomBytes } from 'node:crypto'
import { createAdmin, postForm } from '../../scripts/keycloak/admin.js'
import { ALICE, makeRealm } from '../../scripts/keycloak/make-realm.js'

const CLIENT = 'try-it'

/**
 * A realm of its own in a Keycloak that runs, as the guide makes it; it is deleted at the end.
 * @param {{ onEnd: (end: () => unknown) => void }} scope @param {{ url: string, password: string }} server
 */
export async function openRealm (scope, { url, password }) {
  const admin = await createAdmin(url, 'admin', password)
  const name = `bench-${randomBytes(4).toString('hex')}`
  await makeRealm(admin, name)
  scope.onEnd(async () => { await admin.call('DELETE', `/${name}`) })
  // A log-in that comes while the one before is still being noted counts as an attack.
  await admin.call('PUT', `/${name}`, { ...await admin.call('GET', `/${name}`), bruteForceProtected: false })
  await admin.call('POST', `/${name}/users`, ALICE)
  const issuer = `${url}/realms/${name}`
  const endpoint = path => `${issuer}/protocol/openid-connect/${path}`
  return {
    issuer,
    jwksUrl: endpoint('certs'),
    /** Where the client's logouts are told from now on. @param {number} port */
    async tellLogouts (port) {
      const [client] = await admin.call('GET', `/${name}/clients?clientId=${CLIENT}`)
      const attributes = {
        ...client.attributes,
        'backchannel.logout.url': `http://127.0.0.1:${port}/oidc/backchannel-logout`,
        'backchannel.logout.session.required': 'true'
      }
      await admin.call('PUT', `/${name}/clients/${client.id}`, { ...client, frontchannelLogout: false, attributes })
    },
    /** A session of alice's: its access token, and how her application logs her out. */
    async logIn () {
      const { access_token: token, refresh_token: refreshToken } = await postForm(endpoint('token'), {
        grant_type: 'password', client_id: CLIENT, username: ALICE.username, password: ALICE.credentials[0].value, scope: 'openid'
      })
      const end = async () => {
        const body = new URLSearchParams({ client_id: CLIENT, refresh_token: refreshToken })
        const { status } = await fetch(endpoint('logout'), { method: 'POST', body })
        if (status !== 204) throw new Error(`Keycloak answered ${status}`)
      }
      return { token, end }
    }
  }
}
