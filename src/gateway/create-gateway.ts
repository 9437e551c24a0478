import { CannotStart } from '../cannot-start.js'
import type { Config } from '../config/config.js'
import { loadConfig } from '../config/load-config.js'
import { composeDoors } from './doors.js'
import { createExits, type Exits } from './exits.js'
import { stopsListening } from './gate.js'
import type { GatewayExtras, GatewayOptions } from './gateway-options.js'
import { openGround } from './ground.js'
import { composeJudges } from './judges.js'
import { openDoors, StoppedAtStart, type House, type Ports } from './open-doors.js'
import type { ProcessOperations } from './process-operations.js'
import type { OnFault } from './report.js'
import { loadTracing } from '../observe/tracing/load-tracing.js'
import type { CreateTracer } from '../observe/tracing/tracer.js'

export interface Gateway {
  /**
   * Opens the ports, loads keys; resolves when connections are taken. Once. Rejects, with everything closed again, when that
   * cannot be, or when it was stopped before.
   */
  start (): Promise<Ports>
  /** Ends every connection over the drain time, gives everything back, closes. A second call hurries the first. */
  stop (reason: string): Promise<void>
  /** Takes the TLS files as they are now for all further connections. From `start` on; the log tells what came of it. */
  reload (): void
  /** Something threw where nothing may: logged. From `start` on. */
  readonly onFault: OnFault
  /** What operators may ask of this process, and its metrics for a supervisor. From `start` on; before, it throws. */
  readonly operations: ProcessOperations
}

function buildHouse (config: Config, options: GatewayExtras, exits: Exits, createTracer: CreateTracer | null): House {
  const ground = openGround(config, options, exits, createTracer)
  const judges = composeJudges(ground, exits)
  return { ground, judges, doors: composeDoors(ground, judges, exits) }
}

/** Sends everybody away who is in, or on the way in, and then gives everything back. */
async function leave (house: House, exits: Exits, reason: string, isUrgent: () => boolean): Promise<void> {
  const { ground, doors: { connections, server } } = house
  ground.audit.serverDraining(ground.registry.size, ground.config.server.drainMs)
  ground.phase.current = 'draining'
  if (stopsListening(ground.config)) server.stopListening()
  await connections.drain(isUrgent)
  await exits.closeAll(reason)
}

/** A place of its own for faults before there is a log. */
const faultWithoutLog: OnFault = (error, where) => {
  process.stderr.write(`portcullis: fault before the start: ${where}: ${error instanceof Error ? error.name : 'not an error'}\n`)
}

/**
 * Makes one process of the gateway, to be started once. Opens nothing: one that is never started can be forgotten.
 * @throws ConfigError naming every wrong setting, when `settings` are given.
 */
export function createGateway (options: GatewayOptions): Gateway {
  const config = readConfig(options)
  const exits = createExits()
  const leaving = new AbortController()
  let house: House | null = null
  let opening: Promise<Ports> | null = null
  let stopping: Promise<void> | null = null
  let urgent = false

  function standing (): House {
    if (house === null) throw new Error('the gateway was not started')
    return house
  }
  async function open (): Promise<Ports> {
    // Before anything is open: it takes a while.
    const createTracer = await loadTracing(config.tracing)
    leaving.signal.throwIfAborted()
    house = buildHouse(config, options, exits, createTracer)
    return await openDoors(house, exits, leaving.signal)
  }
  async function stop (reason: string): Promise<void> {
    leaving.abort(new StoppedAtStart())
    // What is being opened at this moment must be known to the exits before they are walked.
    await opening?.catch(() => {})
    if (house === null || exits.closed) await exits.closeAll(reason)
    else await leave(house, exits, reason, () => urgent)
  }

  return {
    async start () {
      if (opening !== null) throw new Error('a gateway is started once')
      opening = open()
      try {
        return await opening
      } catch (error) {
        // One that was stopped meanwhile is closed by the stop.
        await (stopping ?? exits.closeAll(null)).catch(() => { /* why it could not start matters more than what did not close */ })
        throw error
      }
    },
    stop (reason) {
      urgent = stopping !== null
      stopping ??= stop(reason)
      return stopping
    },
    reload () { standing().doors.reload() },
    onFault (error, where) { (house?.ground.onFault ?? faultWithoutLog)(error, where) },
    get operations () { return standing().doors.operations }
  }
}

function readConfig (options: GatewayOptions): Config {
  const config = 'config' in options ? options.config : loadConfig({ ...options.settings })
  if (options.worker === undefined && config.server.workers > 1) throw new CannotStart('WORKERS: several processes need the supervisor of `portcullis start`')
  return config
}
