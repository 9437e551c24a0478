import { startServer } from './cli/start.js'

startServer(process.env)
