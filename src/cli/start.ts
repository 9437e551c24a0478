import { createGateway } from '../gateway/create-gateway.js'
import { runProcess } from '../run-process.js'
import { sayStaleBuild } from './say-stale-build.js'
import { createSupervisor } from '../supervisor/supervisor.js'
import { SYSTEM_TIMERS } from '../timers.js'
import { createWarmUp } from '../warm-up/warm-up.js'

/** Runs the server on these settings until a signal ends it: one process is the gateway itself, several are workers of a supervisor. */
export function startServer (env: NodeJS.ProcessEnv): void {
  sayStaleBuild()
  const worker = new URL('../supervisor/worker-main.js', import.meta.url)
  runProcess((config) => config.server.workers === 1
    ? createGateway({ config, warmUp: createWarmUp({ timers: SYSTEM_TIMERS }) })
    : createSupervisor(config, worker), env)
}
