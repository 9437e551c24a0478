import { CannotStart } from '../cannot-start.js'
import { createGateway, type Gateway } from '../gateway.js'
import { runProcess } from '../run-process.js'
import { createDevIssuer } from './dev-issuer.js'
import { createDevRoutes } from './dev-routes.js'

/** Dev mode is the gateway itself with an issuer inside: same code, same checks, settings that need nothing else. */
const AUDIENCE = 'portcullis-dev'
const DEFAULTS = { HOST: '127.0.0.1', PORT: '9001', PUBLISH_KEY: 'dev-publish-key-for-loopback-only', ADMIN_TOKEN: 'dev-admin-token-for-loopback-only' }

const settings: NodeJS.ProcessEnv = { ...DEFAULTS, ...Object.fromEntries(Object.entries(process.env).filter(([, value]) => value !== '')) }
const base = `http://127.0.0.1:${settings['PORT']}`
const issuer = createDevIssuer(`${base}/dev`, AUDIENCE)
const env: NodeJS.ProcessEnv = { ...settings, JWT_ISSUER: issuer.issuer, JWT_AUDIENCE: AUDIENCE, JWT_JWKS_URI: `${base}/dev/jwks.json`, JWT_ALGORITHMS: 'RS256' }

function withGreeting (gateway: Gateway, host: string): Gateway {
  return {
    ...gateway,
    async start () {
      const ports = await gateway.start()
      const shown = host.includes(':') ? `[${host}]` : host
      const token = issuer.sign({ sub: 'alice', agents: ['a1', 'a2'], tasks: ['t1'], scope: 'ws:send', ttlS: 3600 })
      process.stderr.write([
        '',
        'Portcullis, development mode: everything in this process, on loopback only.',
        '',
        `  page      http://${shown}:${ports.port}/`,
        `  gateway   ws://${shown}:${ports.port}/ws`,
        `  tokens    http://${shown}:${ports.port}/dev/token?sub=alice&agents=a1,a2&tasks=t1&scope=ws:send&ttl=300`,
        ports.adminPort === null ? '' : `  admin     http://127.0.0.1:${ports.adminPort}/metrics (healthz, readyz; bearer ${settings['ADMIN_TOKEN']})`,
        '',
        'A token for alice (one hour), and a line to paste that connects:',
        '',
        `  ${token}`,
        '',
        `  npx wscat -c "ws://${shown}:${ports.port}/ws?agent_ids=a1&token=$(curl -s 'http://${shown}:${ports.port}/dev/token')"`,
        '',
        ''
      ].join('\n'))
      return ports
    }
  }
}

runProcess((config) => {
  if (!/^(127(\.\d{1,3}){3}|::1|localhost)$/.test(config.server.host)) throw new CannotStart('development mode hands out tokens to anyone, so HOST must be a loopback address')
  if (config.server.workers > 1) throw new CannotStart('development mode is one process: its keys are in its memory')
  return withGreeting(createGateway(config, {
    worker: 1,
    routes: createDevRoutes(issuer),
    onInbound: (message) => { process.stderr.write(`inbound ${JSON.stringify(message)}\n`) }
  }), config.server.host)
}, env)
