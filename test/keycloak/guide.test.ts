import t from 'tap'
import { startBrowser } from '../client/browser.js'
import { runGuide } from '../docs/guide-commands.js'
import { startGateway } from '../support/gateway.js'
import { makeRealm } from './realm.js'

t.test('a realm of the guide\'s file', async (t) => {
  const [realm, browser] = await Promise.all([makeRealm(t), startBrowser(t)])

  await t.test('prints with the guide\'s commands what the guide shows', async (t) => {
    const gateway = await startGateway(t, realm.settings)
    await runGuide(t, 'keycloak.md', { replace: { 'http://127.0.0.1:8080/realms/portcullis': realm.issuer, '127.0.0.1:9001': `127.0.0.1:${gateway.port}` } })
  })

  await t.test('has an account console that its user can log in to', async (t) => {
    const page = await browser.newPage()
    const refused: string[] = []
    page.on('response', (response) => { if (response.status() >= 400) refused.push(`${response.status()} ${response.url()}`) })
    // The console asks the account's interface by a token of its own: without its scopes that is answered 403.
    const asked = page.waitForResponse(response => response.url().includes('/account/?userProfileMetadata=true'))
    await page.goto(`${realm.issuer}/account/`)
    await page.getByLabel('Username or email').fill('alice')
    await page.getByLabel('Password', { exact: true }).fill('alice-tries-it')
    await page.getByRole('button', { name: 'Sign In' }).click()
    const answer = await asked
    t.equal(answer.status(), 200)
    t.match(await answer.json(), { username: 'alice', email: 'alice@example.com' })
    t.same(refused, [])
  })

  await t.test('has its own clients with their scopes', async (t) => {
    const clients = await realm.call('GET', '/clients') as Array<{ clientId: string, defaultClientScopes: string[] }>
    const without = clients.filter(({ defaultClientScopes }) => !defaultClientScopes.includes('basic')).map(({ clientId }) => clientId)
    t.same(without, [])
    t.ok(clients.some(({ clientId }) => clientId === 'account-console'))
  })
})
