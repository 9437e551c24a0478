import { createGateway } from '../gateway/create-gateway.js'
import { runProcess } from '../run-process.js'
import { createSupervisor } from '../supervisor/supervisor.js'

/** Runs the server on these settings until a signal ends it: one process is the gateway itself, several are workers of a supervisor. */
export function startServer (env: NodeJS.ProcessEnv): void {
  const worker = new URL('../supervisor/worker-main.js', import.meta.url)
  runProcess((config) => config.server.workers === 1 ? createGateway(config, { worker: 1 }) : createSupervisor(config, worker), env)
}
