import { CannotStart } from '../cannot-start.js'
import { OLDER_LACKS } from '../transport/uws/platform.js'
import { composeDescriptorWatch, warnOfFewDescriptors } from './descriptors.js'
import type { Doors } from './doors.js'
import type { Exits } from './exits.js'
import type { Ground } from './ground.js'
import type { Judges } from './judges.js'
import { writeEvent } from '../observe/log/log.js'
import { accessFaultFields } from './tell-access-faults.js'

export interface Ports { readonly port: number, readonly adminPort: number | null }

/** Somebody asked for the end before the process took connections. */
export class StoppedAtStart extends CannotStart {
  constructor () { super('stopped before it took connections') }
}

export interface House { readonly ground: Ground, readonly judges: Judges, readonly doors: Doors }

const FIRST_CONNECT_MS = 1000
const LOAD_POLL_MS = 10

/** Waits for the work, unless `leaving` comes first: then it rejects, and nobody waits for the work any more. */
async function unlessLeaving<T> (work: Promise<T>, leaving: AbortSignal): Promise<T> {
  let leave = (): void => {}
  const left = new Promise<never>((_resolve, reject) => {
    leave = () => { reject(new StoppedAtStart()) }
    if (leaving.aborted) leave()
    else leaving.addEventListener('abort', leave, { once: true })
  })
  try {
    return await Promise.race([work, left])
  } finally {
    leaving.removeEventListener('abort', leave)
  }
}

/** Looks again and again until it is so; at most `withinMs`. */
async function waitFor (isSo: () => boolean, withinMs: number, leaving: AbortSignal): Promise<void> {
  const endAtMs = performance.now() + withinMs
  while (!isSo() && !leaving.aborted && performance.now() < endAtMs) {
    await new Promise<void>((resolve) => { setTimeout(resolve, LOAD_POLL_MS) })
  }
}

/**
 * A process that knows no revocations accepts revoked tokens. Readiness steers clients around a process on its own; a
 * worker shares its port, so it waits as long as it takes, and the others serve.
 */
async function untilRevocationsAreKnown (house: House, leaving: AbortSignal): Promise<void> {
  const { ground: { options, log }, judges: { control } } = house
  await waitFor(() => control.loaded && control.listening, FIRST_CONNECT_MS, leaving)
  if (options.worker === undefined || control.loaded || leaving.aborted) return
  writeEvent(log, { event: 'worker.waiting', worker: options.worker, reason: 'revocations and bans are not read yet: Redis' })
  await waitFor(() => control.loaded, Infinity, leaving)
}

/** Asks what connections depend on: the database, Redis, the other processes. Starts what listens to them. */
async function startJudges ({ ground, judges, doors }: House, leaving: AbortSignal): Promise<void> {
  const { log, metrics, redis, redisFailures } = ground
  metrics.start(doors.operations.metricSources)
  const notes = await unlessLeaving(judges.access.start((fault) => { writeEvent(log, { event: 'access.unavailable', ...accessFaultFields(fault) }) }), leaving)
  for (const reason of notes) writeEvent(log, { event: 'access.warning', reason })
  // The first calls shall find a connection rather than begin an outage; a Redis that is away delays no start for long.
  // One that is away is told of now: the first call may never come, as a process that is not ready gets no traffic.
  if (await redis?.waitUntilUp(FIRST_CONNECT_MS) === false) judges.limits.noteRedisAway()
  if (redis?.isUp() === true) await redisFailures.look()
  doors.connections.start()
  judges.control.start(doors.connections.handlers)
  doors.fanout.start()
  judges.limits.start(doors.fanout.askBack)
  judges.resumeKey.start()
  await unlessLeaving(judges.nodes.start(judges.limits.noteRedisAway), leaving)
}

/** From here on the process is ready, and its event loop is judged: warming keeps that busy. One that drains by now stays as it is. */
function run ({ phase, eventLoop }: Ground): void {
  if (phase.current !== 'starting') return
  phase.current = 'running'
  eventLoop.start()
}

/** Opens the doors one after the other, the clients' last. Rejects where one cannot be opened, and when `leaving` comes before all are. */
export async function openDoors (house: House, exits: Exits, leaving: AbortSignal): Promise<Ports> {
  const { ground: { config, options, log, audit, onFault }, judges, doors } = house
  const { admin, server, serverHandlers, binding } = doors
  await startJudges(house, leaving)
  if (admin !== null) exits.add(() => admin.close().catch((error: unknown) => { onFault(error, 'stop') }))
  const adminPort = await admin?.listen() ?? null
  await untilRevocationsAreKnown(house, leaving)
  const warm = async (): Promise<void> => { if (config.server.warmUp) await options.warmUp?.(config, leaving) }
  const warmsFirst = options.othersServe === true
  if (warmsFirst) await warm()
  leaving.throwIfAborted()
  exits.add(server.close)
  const port = await server.listen(serverHandlers)
  const watch = composeDescriptorWatch(house.ground, server)
  exits.add(watch.stop)
  watch.start()
  warnOfFewDescriptors(house.ground)
  if (warmsFirst || options.warmUp === undefined) run(house.ground)
  else {
    const warmed = warm().then(() => { run(house.ground) })
    exits.add(() => warmed)
  }
  if (binding.name === 'older' && options.development !== true) writeEvent(log, { event: 'binding.older', binding: binding.release, reason: OLDER_LACKS })
  const insecure = config.insecureUntilMs !== null
  audit.serverStarted({ host: config.server.host, port, adminPort, binding: `${binding.name}: ${binding.reason}`, insecure })
  // Keys come while the port is open already: dev mode serves its own, and readiness tells when they are there.
  judges.breakGlass.start()
  judges.tokens.start().catch((error: unknown) => { onFault(error, 'jwks') })
  return { port, adminPort }
}
