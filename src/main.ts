import { createGateway } from './gateway.js'
import { runProcess } from './run-process.js'
import { createSupervisor } from './supervisor/supervisor.js'

/** One process is the gateway itself; several are workers of a supervisor. */
runProcess(
  config => config.server.workers === 1 ? createGateway(config, { worker: 1 }) : createSupervisor(config, new URL('./supervisor/worker-main.js', import.meta.url)),
  process.env
)
