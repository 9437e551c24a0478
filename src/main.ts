import { createGateway } from './gateway.js'
import { runProcess } from './run-process.js'

runProcess(config => createGateway(config, { worker: 1 }), process.env)
