import t, { type Test } from 'tap'
import { freshAddress } from '../support/client.js'
import { startGateway, trust, type TestGateway } from '../support/gateway.js'
import { startIssuer, type TestIssuer } from '../support/issuer.js'
import { offenders } from '../support/offenders.js'
import { exchange, upgradeHead } from '../support/raw-socket.js'

let users = 0
async function statusFor (t: Test, gateway: TestGateway, issuer: TestIssuer, origin: string | undefined, host = 'gate.example'): Promise<number | undefined> {
  const head = upgradeHead(`/ws?token=${issuer.sign({ sub: `user-${++users}` })}`, { Host: host, Origin: origin })
  return (await exchange(t, gateway, head, freshAddress()))?.status
}

t.test('without a list only the very host that was asked may connect from a browser', async (t) => {
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, trust(issuer))
  for (const origin of [undefined, 'https://gate.example', 'http://gate.example']) {
    t.equal(await statusFor(t, gateway, issuer, origin), 101, String(origin))
  }
  t.equal(await statusFor(t, gateway, issuer, 'http://gate.example:9001', 'gate.example:9001'), 101, 'the port belongs to it')
  for (const origin of [
    'https://evil.example', 'https://gate.example.evil.example', 'https://evilgate.example', 'https://gate.example:8443', 'null', '*',
    'gate.example', 'https://gate.example/', 'https://gate.example@evil.example', 'ftp://gate.example'
  ]) {
    t.equal(await statusFor(t, gateway, issuer, origin), 403, origin)
  }
})

t.test('with a list exactly its origins may connect', async (t) => {
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, { ...trust(issuer), WS_ALLOWED_ORIGINS: 'https://app.example,https://other.example:8443' })
  for (const origin of [undefined, 'https://app.example', 'https://other.example:8443']) {
    t.equal(await statusFor(t, gateway, issuer, origin), 101, String(origin))
  }
  for (const origin of ['https://gate.example', 'http://app.example', 'https://app.example.evil.example', 'https://xapp.example', 'https://other.example', 'null', 'https://app.example, https://evil.example']) {
    t.equal(await statusFor(t, gateway, issuer, origin), 403, origin)
  }
})

t.test('with `*` every origin may connect, and a token is still needed', async (t) => {
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, { ...trust(issuer), WS_ALLOWED_ORIGINS: '*' })
  t.same(await offenders(['https://evil.example', 'null'], async origin => await statusFor(t, gateway, issuer, origin) === 101), [])
  t.equal((await exchange(t, gateway, upgradeHead('/ws', { Origin: 'https://evil.example' }), freshAddress()))?.status, 401)
})

t.test('a foreign origin is told before anything is said of its token', async (t) => {
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, trust(issuer))
  for (const token of ['', 'noise', issuer.sign({ exp: 1 })]) {
    const answer = await exchange(t, gateway, upgradeHead(`/ws?token=${token}`, { Origin: 'https://evil.example' }), freshAddress())
    t.equal(answer?.status, 403)
    t.match(answer?.body, /"error":"forbidden"/)
  }
})
