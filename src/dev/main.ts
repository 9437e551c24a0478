import { randomBytes } from 'node:crypto'
import { CannotStart } from '../cannot-start.js'
import type { Config } from '../config/config.js'
import { createGateway, type Gateway } from '../gateway/create-gateway.js'
import { KINDS, mapKinds } from '../kinds.js'
import { runProcess, type Runnable } from '../run-process.js'
import { readClientFiles } from './client-files.js'
import { createDevIssuer } from './dev-issuer.js'
import { createDevRoutes } from './dev-routes.js'

/** Dev mode is the gateway itself with an issuer inside: same code, same checks, settings that need nothing else. */
const AUDIENCE = 'portcullis-dev'
/** New at every start: what stands in a public source is no secret, and any page may send it to loopback. */
const newSecret = (): string => randomBytes(24).toString('base64url')
const DEFAULTS = { HOST: '127.0.0.1', PORT: '9001', PUBLISH_KEY: newSecret(), ADMIN_TOKEN: newSecret() }

const given = Object.entries(process.env).flatMap(([name, value = '']) => value.trim() === '' ? [] : [[name, value.trim()]])
const settings = { ...DEFAULTS, ...Object.fromEntries(given) as NodeJS.ProcessEnv }
// A host beyond loopback is refused below, and its own words shall not stand in the mistakes of other settings.
const base = `http://${inUrl(isLoopback(settings.HOST) ? settings.HOST : DEFAULTS.HOST)}:${settings.PORT}`
const issuer = createDevIssuer(`${base}/dev`, AUDIENCE)
const env: NodeJS.ProcessEnv = {
  // Beside further issuers this one's users have agents and tasks; whose users a database knows, only its owner can say.
  ...(['', 'claims'].includes(process.env['WS_AUTHORIZER']?.trim() ?? '') ? { WS_ACCESS_ISSUER: 'oidc' } : {}),
  ...settings,
  JWT_ISSUER: issuer.issuer,
  JWT_AUDIENCE: AUDIENCE,
  JWT_JWKS_URI: `${base}/dev/jwks.json`,
  JWT_ALGORITHMS: 'RS256'
}

function isLoopback (host: string): boolean {
  return /^(127(\.\d{1,3}){3}|::1|localhost)$/.test(host)
}

/** A host as URLs write it (RFC 3986 section 3.2.2). */
function inUrl (host: string): string {
  return host.includes(':') ? `[${host}]` : host
}

function checkDevelopment ({ server, admin }: Config): void {
  for (const [setting, host] of [['HOST', server.host], ['ADMIN_HOST', admin.host]] as const) {
    if (!isLoopback(host)) throw new CannotStart(`development mode hands out tokens to anyone, so ${setting} must be a loopback address`)
  }
  if (server.port === 0) throw new CannotStart('development mode needs a PORT that is known before it listens: its tokens name it')
  if (server.workers > 1) throw new CannotStart('development mode is one process: its keys are in its memory')
}

function withGreeting (gateway: Gateway, { server, admin }: Config): Runnable {
  return {
    stop: gateway.stop,
    onFault: gateway.onFault,
    async start () {
      const ports = await gateway.start()
      const shown = inUrl(server.host)
      const token = issuer.sign({ sub: 'alice', ...mapKinds(({ samples }) => samples), scope: 'ws:send', ttlS: 3600 })
      process.stderr.write([
        '',
        'Portcullis, development mode: everything in this process, on loopback only.',
        '',
        `  page      http://${shown}:${ports.port}/`,
        `  example   http://${shown}:${ports.port}/dev/example (the source is the smallest page with the client)`,
        `  client    http://${shown}:${ports.port}/client/connect.js (for pages of WS_ALLOWED_ORIGINS too)`,
        `  gateway   ws://${shown}:${ports.port}/ws`,
        `  tokens    http://${shown}:${ports.port}/dev/token?sub=alice&${KINDS.map(({ claim, samples }) => `${claim}=${samples.join(',')}`).join('&')}&scope=ws:send&ttl=300`,
        ports.adminPort === null ? '' : `  admin     http://${inUrl(admin.host)}:${ports.adminPort}/metrics (healthz, readyz; Authorization: Bearer ${admin.tokens[0]})`,
        `  publish   http://${shown}:${ports.port}/v1/publish (X-Publish-Key: ${admin.publishKeys[0]})`,
        '',
        'A token for alice (one hour), and a line to paste that connects:',
        '',
        `  ${token}`,
        '',
        `  npx wscat -c "ws://${shown}:${ports.port}/ws?${KINDS[0].list}=${KINDS[0].samples[0]}&token=$(curl -s 'http://${shown}:${ports.port}/dev/token')"`,
        '',
        ''
      ].join('\n'))
      return ports
    }
  }
}

runProcess((loaded) => {
  checkDevelopment(loaded)
  const config: Config = { ...loaded, upgrade: { ...loaded.upgrade, loopbackHostOnly: true } }
  return withGreeting(createGateway({
    config,
    development: true,
    routes: createDevRoutes(issuer, { publishKey: config.admin.publishKeys[0] ?? null, limits: config.limits }, {
      clientFiles: readClientFiles(new URL('../client/', import.meta.url)), allowed: config.upgrade
    }),
    onInbound: (message) => { process.stderr.write(`inbound ${JSON.stringify(message)}\n`) }
  }), config)
}, env)
