import { topicsOf } from './actors.js'
import { open } from './client.js'
import { sleep } from './processes.js'
import { createRandom } from './random.js'
import { AGENTS, TASKS, TERMS } from './terms.js'

const ANSWERED = 'every upgrade is answered by its deadline'
/** A machine that runs all of this on few cores is late. */
const ANSWER_MARGIN_MS = 2500
const MAX_WAIT_MS = 2500
const ENDS = ['goodbye', 'goodbye', 'going', 'cut', 'reset']
const MALFORMED = ['', '[]', '{"type":"shout"}', '{"type":"subscribe","agent_ids":[1]}', Buffer.from([1, 2, 3])]

/** @param {import('./actors.js').Actor} actor */
function sign ({ userId, rights, maySend }, issuer, random) {
  const claims = { sub: userId, agents: rights.agents, tasks: rights.tasks, ...(maySend ? { scope: 'openid ws:send' } : {}) }
  return issuer.sign(claims, { old: random.chance(0.2) })
}

/** Query and headers of an attempt. */
function present (actor, token, pass, random) {
  const query = new URLSearchParams()
  const headers = actor.forwardedFor === null ? {} : { 'X-Forwarded-For': actor.forwardedFor }
  const protocols = []
  const carrier = random.below(3)
  if (token !== '' && carrier === 0) query.set('token', token)
  if (token !== '' && carrier === 1) headers.Authorization = `Bearer ${token}`
  if (token !== '' && carrier === 2) protocols.push('portcullis.v1', `bearer.${token}`)
  if (pass !== null) query.set('resume', pass)
  const agents = actor.rights.agents === '*' ? AGENTS : actor.rights.agents
  if (agents.length > 0 && random.chance(0.5)) query.set('agent_ids', agents.slice(0, 3).join(','))
  // Now and then somebody asks for what is not theirs: 403.
  if (random.chance(0.05)) query.set('task_ids', TASKS.join(','))
  if (random.chance(0.05)) query.set('refuse', 'close')
  return { query, headers, protocols }
}

/**
 * Keeps many users busy until it is stopped.
 * @param {import('./world.js').World} world @param {import('./actors.js').Actor[]} actors @param {number} seed
 */
export function startLoad (world, actors, seed) {
  const { gateways, issuer, tally } = world
  const stopping = new AbortController()
  const { signal } = stopping
  /** @type {Set<import('./client.js').Open>} */
  const opened = new Set()

  function chooseToken (actor, random) {
    if (random.chance(0.04)) return ''
    const token = sign(actor, issuer, random)
    return random.chance(0.04) ? `${token.slice(0, -8)}AAAAAAAA` : token
  }

  async function attempt (actor, random) {
    const gateway = random.pick(gateways)
    const held = random.chance(0.75) ? actor.pass : null
    actor.pass = null
    const { query, headers, protocols } = present(actor, chooseToken(actor, random), held, random)
    if (held !== null) tally.count('operations', 'attempts with a pass')
    const sentAtMs = Date.now()
    const outcome = await open({
      url: `ws://127.0.0.1:${gateway.port}/ws?${query.toString()}`,
      headers,
      protocols,
      front: gateway.front,
      from: actor.from,
      userId: actor.userId,
      rights: topicsOf(actor.rights),
      address: actor.address,
      counts: held === null && !actor.isAllowed
    }, world, random.chance(0.04) ? random.below(20) : null)
    tally.count('operations', outcome.kind === 'refused' ? `refused: ${outcome.status}` : `attempts: ${outcome.kind}`)
    if (outcome.kind !== 'failed' && !gateway.stoodStillSince(sentAtMs)) {
      const tookMs = Date.now() - sentAtMs
      tally.check(ANSWERED, tookMs <= TERMS.upgradeDeadlineMs + ANSWER_MARGIN_MS, () => ({ text: `${gateway.name} answered after ${tookMs} ms` }))
    }
    return outcome
  }

  /** @param {import('./client.js').Open} connection */
  function doSomething (connection, actor, random) {
    const agents = random.chance(0.05) ? AGENTS.slice(0, 3) : [...topicsOf(actor.rights)].filter(topic => topic.startsWith('agent:')).map(topic => topic.slice(6))
    const some = agents.filter(() => random.chance(0.5))
    const deed = random.below(20)
    if (deed < 6 && some.length > 0) return connection.send({ type: 'subscribe', agent_ids: some })
    if (deed < 8) return connection.send({ type: 'unsubscribe', agent_ids: random.chance(0.5) ? ['*'] : AGENTS.slice(0, 4) })
    if (deed < 11) return connection.send(world.sends.make(`agent:${random.pick(AGENTS)}`))
    if (deed < 13) return connection.send({ type: 'subscribe', task_ids: ['*'] })
    if (deed < 17) return connection.send({ type: 'ping' })
    if (deed === 17) return connection.ping()
    if (deed === 18 && random.chance(0.3)) return connection.send(random.pick(MALFORMED))
    if (deed === 19) return refresh(connection, actor, random)
  }

  /** A token that lets its user see less than before, or the same. */
  function refresh (connection, actor, random) {
    const { agents, tasks } = actor.rights
    const rights = random.chance(0.5) ? actor.rights : { agents: agents === '*' ? AGENTS.slice(0, 6) : agents.slice(0, 2), tasks: tasks.slice(0, 2) }
    connection.refresh(sign({ ...actor, rights }, issuer, random), topicsOf(rights))
  }

  /** @param {import('./client.js').Open} connection */
  async function live (connection, actor, random) {
    opened.add(connection)
    const endAtMs = Date.now() + (actor.isHasty ? random.between(50, 900) : random.between(500, 14_000))
    while (!signal.aborted && connection.isOpen() && Date.now() < endAtMs) {
      doSomething(connection, actor, random)
      await Promise.race([connection.ended, sleep(random.between(100, 700))])
    }
    connection.end(random.pick(ENDS))
    await connection.ended
    opened.delete(connection)
    connection.checkEnd()
    const { pass, comeBackInMs } = connection.state
    if (pass !== null) actor.pass = pass
    // Not all wait as long as they were told.
    await sleep(random.chance(0.5) ? Math.min(comeBackInMs, MAX_WAIT_MS) : random.below(400))
  }

  async function act (actor, random) {
    while (!signal.aborted) {
      const outcome = await attempt(actor, random)
      if (outcome.kind === 'open') await live(outcome.connection, actor, random)
      else if (outcome.kind === 'refused') await sleep(Math.min(outcome.retryAfterS * 1000, random.between(200, MAX_WAIT_MS)))
      else await sleep(random.between(100, 800))
    }
  }

  const acting = actors.map(async (actor, index) => { await act(actor, createRandom(Math.imul(seed, 2_654_435_761) + index)) })
  return {
    openCount: () => opened.size,
    async stop () {
      stopping.abort()
      await Promise.all(acting)
    }
  }
}
