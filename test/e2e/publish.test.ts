import t, { type Test } from 'tap'
import { freshAddress } from '../support/client.js'
import { startGateway, trust } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
import { exchange, openRaw, readResponse, type RawResponse } from '../support/raw-socket.js'

const PUBLISH_KEY = 'a-publish-key-of-at-least-32-bytes'
const PROXY = '127.66.0.1'
const BODY = '{"topic":"agent:a1","event":"e","data":1}'

t.test('publishing on the main port', async (t) => {
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, { ...trust(issuer), PUBLISH_KEY, TRUSTED_PROXIES: '127.66.0.0/16' })
  const publish = async (t: Test, key: string, forwardedFor: readonly string[], from = PROXY): Promise<RawResponse | null> => {
    const lines = [`X-Publish-Key: ${key}`, ...forwardedFor.map(line => `X-Forwarded-For: ${line}`), `Content-Length: ${BODY.length}`]
    return await exchange(t, gateway, `POST /v1/publish HTTP/1.1\r\nHost: localhost\r\n${lines.join('\r\n')}\r\n\r\n${BODY}`, from)
  }

  await t.test('wrong keys are told in the log by the client that sent them, and lock nobody out', async (t) => {
    const statuses = await Promise.all(Array.from({ length: 12 }, async () => (await publish(t, 'wrong', ['203.0.113.1', '198.51.100.1']))?.status))
    t.same(new Set(statuses), new Set([401]))
    t.equal((await publish(t, PUBLISH_KEY, ['198.51.100.1']))?.status, 202)
    const line = await gateway.waitForLog('secret.refused')
    t.match(line, { ip: '198.51.100.1', secret: 'publish', level: 'warn' }, 'the last line counts, not what it claims before')
    t.notMatch(gateway.stdout(), /"wrong"/)
  })

  await t.test('a header of a proxy that names no address is 400', async (t) => {
    t.equal((await publish(t, PUBLISH_KEY, ['garbage']))?.status, 400)
  })

  await t.test('the header of a peer that is no proxy changes nothing', async (t) => {
    const stranger = freshAddress()
    t.equal((await publish(t, 'wrong', ['198.51.100.10'], stranger))?.status, 401)
    await gateway.waitForLog('secret.refused', line => line['ip'] === stranger)
  })

  await t.test('without the key no body is read: the answer comes before it', async (t) => {
    const raw = await openRaw(t, gateway.port, freshAddress())
    raw.write('POST /v1/publish HTTP/1.1\r\nHost: localhost\r\nX-Publish-Key: wrong\r\nContent-Length: 1000000\r\n\r\n')
    t.equal((await readResponse(raw))?.status, 401)
    await raw.closed
  })
})
