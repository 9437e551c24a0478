import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { request } from 'node:https'
import type { IncomingMessage } from 'node:http'
import t from 'tap'
import WebSocket from 'ws'
import { makeCertificate } from '../support/certificate.js'
import { runGateway, startGateway, trust } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'

t.test('with a certificate the main port speaks TLS', async (t) => {
  const [issuer, { certFile, keyFile }] = await Promise.all([startIssuer(t), makeCertificate(t)])
  const gateway = await startGateway(t, { ...trust(issuer), TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile })
  const ca = await readFile(certFile)

  await t.test('a client that checks the certificate connects and is welcomed', async (t) => {
    const socket = new WebSocket(`wss://127.0.0.1:${gateway.port}/ws?token=${issuer.sign({ sub: 'alice' })}`, { ca })
    t.teardown(() => { socket.terminate() })
    const [data] = await once(socket, 'message') as [Buffer]
    t.match(JSON.parse(String(data)), { type: 'welcome', user_id: 'alice' })
    socket.close()
    await once(socket, 'close')
    t.match(await gateway.waitForLog('connection.closed'), { user_id: 'alice', ip: '127.0.0.1' })
  })

  await t.test('a refusal is readable', async (t) => {
    const asked = request({ host: '127.0.0.1', port: gateway.port, path: '/elsewhere', ca }).end()
    const [response] = await once(asked, 'response') as [IncomingMessage]
    response.resume()
    t.equal(response.statusCode, 404)
  })

  await t.test('a client without TLS gets nothing', async (t) => {
    const socket = new WebSocket(gateway.url('/ws'))
    t.teardown(() => { socket.terminate() })
    await t.rejects(once(socket, 'open'))
  })
})

t.test('a certificate that is none is one clear mistake, not a stack', async (t) => {
  const { keyFile } = await makeCertificate(t)
  const { code, stderr } = await runGateway({
    JWT_ISSUER: 'https://id.example', JWT_AUDIENCE: 'portcullis', TLS_CERT_FILE: 'package.json', TLS_KEY_FILE: keyFile
  })
  t.equal(code, 1)
  t.equal(stderr, 'portcullis: 1 wrong or missing setting:\n  TLS_CERT_FILE: the file holds no PEM certificate\n')
})
