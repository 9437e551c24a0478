import { asked, renderAsked } from './asked.js'
import { drawWith, requestRender } from './drawing.js'
import { $, tell, values, write } from './elements.js'
import { loadFacts } from './facts.js'
import { clearLog, filterLog, note, renderLog } from './log.js'
import { renderMeters } from './meters.js'
import { openSocket } from './open-socket.js'
import { renderRefusal } from './refusals.js'
import { removeSocket, renderSocket } from './socket-rows.js'
import { chosen, isUsable, sockets } from './sockets.js'
import { gatewayUrl, parseJson } from './text.js'
import { mint, renderClaims, showTerminalLine, token } from './token.js'
import { nextId, refresh, transmit } from './transmit.js'

const PINGS = 25

// A back end tells a user's repeated messages by their ids: a page that is loaded again must not count from 1 again.
const page = btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(6))))

function render () {
  renderLog()
  for (const socket of sockets.list) renderSocket(socket)
  $('no-sockets').hidden = sockets.list.length > 0
  renderMeters()
  renderClaims()
  renderRefusal()
  // Last: what stands above it may have grown.
  renderAsked()
}

function onSubmit (id, statusId, handle) {
  $(id).onsubmit = (event) => {
    event.preventDefault()
    handle(event).catch((error) => { tell(statusId, error.message, true) })
  }
}

// Who connects while a token is on its way means that one, not the one before.
let minting = Promise.resolve()
onSubmit('mint', 'mint-status', () => {
  minting = mint()
  return minting
})

onSubmit('connect', 'connect-status', async () => {
  const wish = values('connect')
  await minting.catch(() => {})
  if (wish.carrier !== 'none' && token.text === '') await mint()
  Object.assign(asked, { sockets: Array.from({ length: Number(wish.count) }, () => openSocket(wish)), isSettled: false })
})

onSubmit('subscribe', 'frames-status', async ({ submitter }) => {
  const type = submitter?.value ?? 'subscribe'
  const lists = Object.entries(values('subscribe')).filter(([name, text]) => text.trim() !== '' && (type === 'subscribe' || name !== 'event_types'))
  transmit({ type, id: nextId(), ...Object.fromEntries(lists.map(([name, text]) => [name, text.split(',').map((id) => id.trim())])) })
})

function dataOf (form) {
  const data = parseJson(values(form).data)
  if (data === undefined) throw new Error('data: this is not JSON')
  return data
}
onSubmit('send', 'frames-status', async () => { transmit({ type: 'send', id: `${page}-${nextId()}`, to: values('send').to, data: dataOf('send') }) })
onSubmit('raw', 'frames-status', async () => { transmit(values('raw').text) })

onSubmit('publish', 'publish-status', async () => {
  const { topic, event, id, key } = values('publish')
  const body = JSON.stringify({ topic, event, data: dataOf('publish'), ...(id === '' ? {} : { id }) })
  const response = await fetch('/v1/publish', { method: 'POST', headers: { 'X-Publish-Key': key, 'Content-Type': 'application/json' }, body })
  const answer = await response.text()
  const { message: said, pos = '', duplicate = false } = Object(parseJson(answer))
  const at = pos === '' ? '' : `, at ${pos.slice(pos.lastIndexOf(':') + 1)}`
  tell('publish-status', response.ok ? `${response.status}: ${duplicate ? 'was published before' : 'published'} on ${topic}${at}` : `${response.status}: ${said ?? answer}`, !response.ok)
  note(null, 'note', `publish ${body}: ${response.status} ${answer}`)
})

$('copy').onclick = async () => {
  try {
    await navigator.clipboard.writeText(token.text)
    tell('mint-status', 'Copied.')
  } catch {
    tell('mint-status', 'The browser does not let this page copy.', true)
  }
}
$('ping').onclick = () => { transmit({ type: 'ping', id: nextId() }) }
$('pings').onclick = () => { for (let sent = 0; sent < PINGS; sent++) transmit({ type: 'ping', id: nextId() }) }
$('refresh').onclick = () => { refresh(chosen()) }
$('dismiss').onclick = () => {
  $('refusal').hidden = true
  $('sockets-title').focus()
}
$('close-all').onclick = () => { for (const socket of sockets.list.filter(isUsable)) socket.link.close(1000) }
$('forget').onclick = () => { for (const socket of sockets.list.filter((other) => !isUsable(other))) removeSocket(socket) }
$('clear').onclick = clearLog
$('log-of').onchange = filterLog
$('hold').onchange = requestRender
$('mint').oninput = showTerminalLine

write($('gateway'), gatewayUrl('/ws'))
showTerminalLine()
drawWith(render)
// What counts down is drawn each second.
setInterval(requestRender, 1000)
render()
loadFacts().catch((error) => { tell('connect-status', `The gateway does not answer: ${error.message}`, true) })
