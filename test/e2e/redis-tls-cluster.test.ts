import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { runBuiltCheck } from '../cli/run-cli.js'
import { makeCertificate } from '../support/certificate.js'
import { connect } from '../support/client.js'
import { findFreePort } from '../support/free-port.js'
import { startGateway, trust } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
import { startRedisCluster } from '../support/redis.js'
import { until } from '../support/until.js'

const PUBLISH_KEY = 'a-publish-key-of-at-least-32-bytes'
/** The first is known by a name, the others by an address each: no certificate holds for two of them. */
const HOSTS = ['localhost', '127.0.0.2', '127.0.0.3'] as const
const NAMES = ['DNS:localhost', 'IP:127.0.0.2', 'IP:127.0.0.3'] as const
const TOPICS = Array.from({ length: 12 }, (_, n) => `a${n}`)

/** A cluster of three nodes with TLS; its ports, and the certificates to trust. */
async function startTlsCluster (t: Test): Promise<{ ports: readonly number[], authorities: string }> {
  const certificates = await Promise.all(NAMES.map(async name => await makeCertificate(t, name)))
  const authorities = join(t.testdir({}), 'authorities.pem')
  await writeFile(authorities, (await Promise.all(certificates.map(async ({ certFile }) => await readFile(certFile, 'utf8')))).join(''))
  const ports: number[] = []
  while (ports.length < HOSTS.length) ports.push(await findFreePort())
  await startRedisCluster(t, {
    meetingPortOf: index => ports[index],
    argsOf: index => [
      '--bind', '127.0.0.1', ...(index === 0 ? [] : [`127.0.0.${index + 1}`]),
      '--tls-port', String(ports[index]), '--tls-cluster', 'yes', '--tls-auth-clients', 'no', '--tls-ca-cert-file', authorities,
      '--tls-cert-file', certificates[index]?.certFile ?? '', '--tls-key-file', certificates[index]?.keyFile ?? '',
      '--cluster-announce-hostname', HOSTS[index] ?? '', '--cluster-preferred-endpoint-type', 'hostname'
    ]
  })
  return { ports, authorities }
}

t.test('each node of a cluster with TLS is verified by its own name', async (t) => {
  const [issuer, { ports, authorities }] = await Promise.all([startIssuer(t), startTlsCluster(t)])
  const settings = { ...trust(issuer), PUBLISH_KEY, NODE_EXTRA_CA_CERTS: authorities }
  const gateway = await startGateway(t, { ...settings, REDIS_CLUSTER_URLS: `rediss://127.0.0.2:${ports[1]}` })
  await until('it is ready', async () => (await gateway.admin('/readyz')).status === 200)
  const client = await connect(t, gateway, `/ws?token=${issuer.sign({ sub: 'alice', agents: TOPICS })}&agent_ids=${TOPICS.join()}`)
  await client.nextOf('subscribed')
  for (const id of TOPICS) {
    const body = JSON.stringify({ topic: `agent:${id}`, event: 'e', data: 1 })
    const { status } = await fetch(`http://127.0.0.1:${gateway.port}/v1/publish`, { method: 'POST', headers: { 'x-publish-key': PUBLISH_KEY }, body })
    t.equal(status, 202, id)
  }
  for (const id of TOPICS) t.match(await client.nextOf('event'), { topic: `agent:${id}` })

  const byName = await runBuiltCheck({ ...settings, REDIS_CLUSTER_URLS: `rediss://localhost:${ports[0]},rediss://127.0.0.3:${ports[2]}` })
  t.same(byName.checks.filter(({ part, verdict }) => part.startsWith('redis') && verdict === 'fail'), [])
  const wrong = await runBuiltCheck({ ...settings, REDIS_CLUSTER_URLS: `rediss://127.0.0.1:${ports[1]}` })
  t.equal(wrong.code, 1, 'a node is not let pass under an address that its certificate does not name')
})
