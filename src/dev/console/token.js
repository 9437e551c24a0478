import { requestRender } from './drawing.js'
import { $, make, tell, values, write } from './elements.js'
import { clock, gatewayUrl, parseJson, secondsLeft } from './text.js'

/** The token that was minted last. */
export const token = { text: '', claims: null }

export async function requestToken (wish) {
  const response = await fetch('/dev/token?' + new URLSearchParams(wish))
  const text = await response.text()
  if (!response.ok) throw new Error(parseJson(text)?.message ?? `answered ${response.status}`)
  const payload = atob(text.split('.')[1].replaceAll('-', '+').replaceAll('_', '/'))
  return { text, claims: JSON.parse(new TextDecoder().decode(Uint8Array.from(payload, (letter) => letter.charCodeAt(0)))) }
}

export async function mint () {
  Object.assign(token, await requestToken(values('mint')))
  $('copy').hidden = $('claims').hidden = false
  tell('mint-status', '')
  requestRender()
}

export function renderClaims () {
  if (token.claims === null) return
  const { sub, agents, tasks, scope, exp } = token.claims
  const left = secondsLeft(exp * 1000)
  const rows = { sub, agents: String(agents) || 'none', tasks: String(tasks) || 'none', scope: scope || 'none', expires: left > 0 ? `in ${clock(left)}` : 'it has expired' }
  const shown = $('claims')
  if (shown.children.length === 0) for (const name of Object.keys(rows)) shown.append(make('dt', { textContent: name }), make('dd'))
  for (const [at, text] of Object.values(rows).entries()) write(shown.children[2 * at + 1], text)
}

export function showTerminalLine () {
  const origin = `${location.protocol}//${location.host}`
  write($('terminal'), `npx wscat -c "${gatewayUrl('/ws')}" -H "Authorization: Bearer $(curl -s '${origin}/dev/token?${new URLSearchParams(values('mint'))}')"`)
}
