import { requestRender } from './drawing.js'
import { $, make } from './elements.js'

/** What the gateway tells about itself. */
export const facts = {
  refusals: new Map(),
  limits: { attempts: 10, attempt_window_s: 60, connections: 5, messages: 100, message_window_s: 60 }
}

export async function loadFacts () {
  const { refusals, publish_key: key, limits } = await (await fetch('/dev/console.json')).json()
  facts.refusals = new Map(refusals.map((refusal) => [refusal.name, refusal]))
  facts.limits = limits
  $('publish').elements.key.value = key ?? ''
  for (const refusal of refusals) $('refusals').append(describeRefusal(refusal))
  requestRender()
}

function describeRefusal ({ name, status, close_code: code, closable, message, what_to_do: todo }) {
  const seen = make('span', { className: 'seen', textContent: 'seen', hidden: true })
  const readable = status !== null && !closable ? 'before the upgrade by HTTP only: a browser sees 1006' : ''
  const item = make('li', {},
    make('p', { className: 'bar' }, make('code', { textContent: name }), seen),
    make('p', { className: 'facts' }, ...[status === null ? '' : `HTTP ${status}`, code === null ? '' : `close ${code}`, readable]
      .filter(Boolean).map((textContent) => make('span', { textContent }))),
    make('p', { textContent: `${message}. ${todo}` }))
  item.dataset.name = name
  return item
}
