import { make } from './elements.js'

const PLACES_MAX = 12

/** How far a socket is in a topic, and what became of what it missed there. */
export function setPlace (socket, topic, more) {
  socket.places.set(topic, { pos: null, recovered: null, replayed: 0, hasGap: false, ...socket.places.get(topic), ...more })
}

/** Topics begin where the gateway says or, if all that came after it follows, at the position that was named. Returns what is lost. */
export function beginTopics (socket, positions = {}, recovered = {}) {
  for (const topic of new Set([...Object.keys(positions), ...Object.keys(recovered)])) {
    const live = positions[topic] ?? null
    const pos = recovered[topic] === true ? socket.since[topic] ?? live : live
    setPlace(socket, topic, { pos, recovered: recovered[topic] ?? null, replayed: 0, hasGap: false })
  }
  const lost = Object.keys(recovered).filter((topic) => !recovered[topic])
  return lost.length === 0 ? '' : `Not recovered: ${lost.join(', ')}. Not all that was missed is there any more: fetch the state anew.`
}

function describePlace ([topic, { pos, recovered, replayed, hasGap }]) {
  const [epoch, offset] = pos === null ? ['', '?'] : [pos.slice(0, pos.lastIndexOf(':')), pos.slice(pos.lastIndexOf(':') + 1)]
  const mark = hasGap ? 'gap' : recovered === null ? '' : !recovered ? 'not recovered' : replayed === 0 ? 'recovered, nothing was missed' : `recovered, ${replayed} replayed`
  const item = make('li', {}, make('code', { textContent: topic }), ' at ', make('b', { textContent: offset }))
  if (pos !== null) item.append(` of epoch …${epoch.slice(-6)}`)
  if (mark !== '') item.append(' · ', make('span', { className: recovered === true && !hasGap ? 'mark' : 'mark bad', textContent: mark }))
  if (pos !== null) item.title = pos
  return item
}

export function renderPlaces ({ row, places }) {
  const shown = [...places].slice(0, PLACES_MAX)
  const text = JSON.stringify([places.size, shown])
  if (row.placesText === text) return
  row.placesText = text
  row.places.replaceChildren(...shown.map(describePlace))
  if (places.size > PLACES_MAX) row.places.append(make('li', { textContent: `and ${places.size - PLACES_MAX} more` }))
  row.places.hidden = places.size === 0
}
