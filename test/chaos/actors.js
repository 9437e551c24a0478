import { AGENTS, ALLOWED_NETWORK, PROXY_ADDRESS, TASKS } from './terms.js'

/**
 * Somebody who connects again and again.
 * @typedef {object} Actor
 * @property {string} userId
 * @property {string} from the TCP address
 * @property {string | null} forwardedFor
 * @property {string} address as the limits count it
 * @property {boolean} isAllowed on the allow list
 * @property {{ agents: string[] | '*', tasks: string[] }} rights
 * @property {boolean} maySend
 * @property {boolean} isHasty holds no connection for long: fills the window of its address
 * @property {{ pass: string, from: string } | null} pass
 */

const USERS = 14
const HEAVY_USERS = 4
const CROWDED_ADDRESS = '127.50.0.1'

/** Which topics a token with these claims lets its user hear. @param {Actor['rights']} rights */
export function topicsOf ({ agents, tasks }) {
  return new Set([...(agents === '*' ? AGENTS : agents).map(id => `agent:${id}`), ...tasks.map(id => `task:${id}`)])
}

function chooseRights (random) {
  const some = (list, share) => list.filter(() => random.chance(share))
  return { agents: random.chance(0.15) ? '*' : some(AGENTS, 0.4), tasks: some(TASKS, 0.4) }
}

/** Those who share an address and come and go: they fill its window. */
const isCrowded = index => index % 5 === 1

/** Three kinds of place: an office behind a proxy, an address shared with a few others, one of its own. */
function choosePlace (random, index) {
  const direct = (address, isAllowed = false) => ({ from: address, forwardedFor: null, address, isAllowed })
  if (index % 5 === 0) {
    const address = `203.0.113.${1 + random.below(3)}`
    return { from: PROXY_ADDRESS, forwardedFor: address, address, isAllowed: false }
  }
  if (isCrowded(index)) return direct(CROWDED_ADDRESS)
  if (index % 5 === 2) return direct(`${ALLOWED_NETWORK}0.${1 + index}`, true)
  return direct(`127.51.${random.below(3)}.${1 + index}`)
}

/** @param {ReturnType<typeof import('./random.js').createRandom>} random @param {number} count @returns {Actor[]} */
export function createActors (random, count) {
  const rightsOf = new Map(Array.from({ length: USERS }, (_, n) => [`user-${n}`, chooseRights(random)]))
  return Array.from({ length: count }, (_, index) => {
    // Users of their own: else the user's limit would come before that of the address.
    const userId = isCrowded(index) ? `guest-${index}` : `user-${random.chance(0.6) ? random.below(HEAVY_USERS) : random.below(USERS)}`
    const place = choosePlace(random, index)
    const isHasty = isCrowded(index) || random.chance(0.2)
    return { userId, ...place, rights: rightsOf.get(userId) ?? chooseRights(random), maySend: random.chance(0.6), isHasty, pass: null }
  })
}
