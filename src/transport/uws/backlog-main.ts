import { createServer } from 'node:net'
import { NOT_OURS } from './backlog.js'

/** Where the gateway put its listening socket: after the three standard streams. */
const SOCKET = 3

/**
 * Entry of a process that lives for some 50 ms: it calls listen(2) on the socket of the gateway that started it. Its arguments are the
 * port that this socket must have, and the backlog. Exit code 0: it is set; `NOT_OURS`: the socket is another one, or a file.
 */
const [port, backlog] = process.argv.slice(2).map(Number)
const server = createServer()
// An error leaves the server without an address, which is looked at below.
server.on('error', () => {})
server.listen({ fd: SOCKET }, backlog)
const address = server.address()
const isOurs = typeof address === 'object' && address?.port === port
// Now, before the event loop turns for the first time: a connection that this process accepted would be lost.
process.exit(isOurs ? 0 : NOT_OURS)
