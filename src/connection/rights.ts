import type { Authorizer } from '../access/authorizer.js'
import type { Session } from './session.js'

/** Checks at the same time, per process: a re-check must not crowd out the checks of those who connect. */
const MAX_CONCURRENT = 4
/** After so many periods without an answer nobody can say that the rights still hold. */
const MAX_UNVERIFIED_PERIODS = 3
const MIN_UNVERIFIED_MS = 15_000
const TICK_PARTS = 20

/** Keeps asking whether open connections may still see what they listen to. */
export interface Rights {
  /** Starts the periodic re-check: once per claims set, spread over the period, never from a cache. */
  start (handlers: RightsHandlers): void
  add (session: Session): void
  remove (session: Session): void
  /** A new token: regroups the connection and checks it at once. */
  recheckSoon (session: Session): void
  /** Checks every connection of a user, or of all, at once: the back end said that something changed. */
  recheck (userId: string | null): void
  /** Goes up whenever somebody says that rights changed: an answer that was asked for before is out of date. */
  readonly generation: number
  stop (): void
}

export interface RightsHandlers {
  /** A connection may no longer see these topics. */
  readonly withdraw: (session: Session, lost: readonly string[]) => void
  /** The rights could not be checked for too long: the connection must not go on. */
  readonly unverifiable: (session: Session) => void
}

export interface RightsDeps {
  readonly authorizer: Authorizer
  readonly periodMs: number
  readonly onFault: (error: unknown) => void
  /** Monotonic, in ms. */
  readonly now?: () => number
}

/** Connections with the same claims have the same rights and are checked as one. */
interface Group {
  readonly key: string
  readonly sessions: Set<Session>
  dueAtMs: number
  verifiedAtMs: number
  checking: boolean
  /** Asked for again while a check was under way, which may have read the old state. */
  again: boolean
}

const groupKey = (session: Session): string => `${session.identity.issuer} ${session.identity.userId} ${JSON.stringify(session.identity.claims)}`

/** Before the start there is nobody to tell. */
const NOBODY: RightsHandlers = { withdraw () {}, unverifiable () {} }

/** Makes the re-check of one process; `start` begins it. */
export function createRights ({ authorizer, periodMs, onFault, now = () => performance.now() }: RightsDeps): Rights {
  const groups = new Map<string, Group>()
  const groupOf = new Map<Session, Group>()
  const ready: Group[] = []
  const maxUnverifiedMs = Math.max(MIN_UNVERIFIED_MS, MAX_UNVERIFIED_PERIODS * periodMs)
  let running = 0
  let generation = 0
  let handlers = NOBODY
  let timer: NodeJS.Timeout | undefined

  function enqueueDue (): void {
    const nowMs = now()
    for (const group of groups.values()) if (group.dueAtMs <= nowMs) enqueue(group)
  }

  function enqueue (group: Group): void {
    if (group.checking) { group.again = true; return }
    group.checking = true
    group.dueAtMs = now() + periodMs
    ready.push(group)
    next()
  }
  function next (): void {
    while (running < MAX_CONCURRENT && ready.length > 0) {
      const group = ready.shift()
      if (group === undefined) return
      running++
      check(group).catch(onFault).finally(() => {
        running--
        group.checking = false
        if (group.again) { group.again = false; enqueue(group) }
        next()
      })
    }
  }

  async function check (group: Group): Promise<void> {
    const [sample] = group.sessions
    if (sample === undefined) return
    const held = new Set([...group.sessions].flatMap(session => [...session.topics]))
    const ids = (prefix: string): string[] => [...held].filter(topic => topic.startsWith(prefix)).map(topic => topic.slice(prefix.length))
    const asked = { agents: ids('agent:'), tasks: ids('task:') }
    if (asked.agents.length + asked.tasks.length === 0) { group.verifiedAtMs = now(); return }
    const startedMs = now()
    let visible
    try {
      visible = await authorizer.visible(sample.identity, sample.token, asked, { fresh: true })
    } catch {
      if (now() - group.verifiedAtMs > maxUnverifiedMs) for (const session of [...group.sessions]) handlers.unverifiable(session)
      return
    }
    group.verifiedAtMs = startedMs
    const seen = new Set([...visible.agents.map(id => `agent:${id}`), ...visible.tasks.map(id => `task:${id}`)])
    const lost = [...held].filter(topic => !topic.startsWith('user:') && !seen.has(topic))
    if (lost.length > 0) for (const session of [...group.sessions]) handlers.withdraw(session, lost)
  }

  function newGroup (key: string): Group {
    const nowMs = now()
    // A random first date spreads groups that came together, such as after a deploy; no later than one period.
    const dueAtMs = nowMs + periodMs * (0.5 + Math.random() / 2)
    return { key, sessions: new Set(), dueAtMs, verifiedAtMs: nowMs, checking: false, again: false }
  }
  function add (session: Session): void {
    if (authorizer.local) return
    const key = groupKey(session)
    const group = groups.get(key) ?? newGroup(key)
    groups.set(key, group)
    group.sessions.add(session)
    groupOf.set(session, group)
  }
  function remove (session: Session): void {
    const group = groupOf.get(session)
    groupOf.delete(session)
    group?.sessions.delete(session)
    if (group?.sessions.size === 0) groups.delete(group.key)
  }
  return {
    start (started) {
      handlers = started
      // What a token says cannot change while it is open, so there is nothing to ask again; a refresh brings a new one.
      if (!authorizer.local) timer ??= setInterval(enqueueDue, Math.max(50, periodMs / TICK_PARTS)).unref()
    },
    add,
    remove,
    recheckSoon (session) {
      remove(session)
      add(session)
      const group = groupOf.get(session) ?? newGroup('')
      group.sessions.add(session)
      enqueue(group)
    },
    get generation () { return generation },
    recheck (userId) {
      generation++
      authorizer.forget()
      for (const group of groups.values()) {
        const [sample] = group.sessions
        if (sample !== undefined && (userId === null || sample.identity.userId === userId)) enqueue(group)
      }
    },
    stop () { clearInterval(timer) }
  }
}
