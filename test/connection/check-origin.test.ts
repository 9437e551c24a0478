import t from 'tap'
import { checkOrigin } from '../../src/connection/check-origin.js'
import { offenders } from '../support/offenders.js'
import { upgradeSettings } from './stand-ins.js'

const HOST = 'gateway.example:9001'

t.test('without a list only the host that was asked may be the origin', async (t) => {
  const settings = upgradeSettings()
  t.same(await offenders(['', 'http://gateway.example:9001', 'https://gateway.example:9001'], origin => checkOrigin(origin, HOST, settings) === null), [])
  const others = [
    'https://gateway.example', 'https://gateway.example:9001.evil.example', 'https://evil-gateway.example:9001', 'https://x.gateway.example:9001', 'null',
    'ws://gateway.example:9001', 'HTTPS://gateway.example:9001', 'https://gateway.example:9001/', 'gateway.example:9001', 'https://gateway.example:9001, https://gateway.example:9001'
  ]
  for (const origin of others) t.match(checkOrigin(origin, HOST, settings), { name: 'forbidden', detail: 'origin' }, origin)
  t.same(await offenders(['http://', 'https://', 'null'], origin => checkOrigin(origin, '', settings) !== null), [])
})

t.test('with a list only its exact origins pass, the own host no longer', async (t) => {
  const settings = upgradeSettings({ origins: new Set(['https://app.example', 'http://localhost:3000']) })
  t.same(await offenders(['', 'https://app.example', 'http://localhost:3000'], origin => checkOrigin(origin, HOST, settings) === null), [])
  const others = ['https://app.example.evil', 'https://evilapp.example', 'http://app.example', 'https://app.example:8443', 'https://APP.example', 'null', `https://${HOST}`, '*']
  for (const origin of others) t.match(checkOrigin(origin, HOST, settings), { name: 'forbidden' }, origin)
})

t.test('the own host beside a list, and apps by the origins that they send, which are as exact', async (t) => {
  const settings = upgradeSettings({ origins: new Set(['https://app.example', 'capacitor://localhost', 'tauri://localhost']), ownHost: true })
  t.same(await offenders(['', 'https://app.example', `https://${HOST}`, `http://${HOST}`, 'capacitor://localhost', 'tauri://localhost'], origin => checkOrigin(origin, HOST, settings) === null), [])
  const others = [
    'self', 'null', 'capacitor://localhost:8080', 'capacitor://localhost.', 'capacitor://localhost.evil.example', 'ionic://localhost', 'Capacitor://localhost',
    'capacitor://LOCALHOST', 'http://localhost', 'file://', `https://${HOST}.`, 'https://gateway.example', 'https://gateway.example.:9001', `https://x.${HOST}`, `wss://${HOST}`
  ]
  t.same(await offenders(others, origin => checkOrigin(origin, HOST, settings) !== null), [])
})

t.test('`*` lets any page in', async (t) => {
  t.same(await offenders(['https://any.example', 'null'], origin => checkOrigin(origin, HOST, upgradeSettings({ anyOrigin: true })) === null), [])
})
