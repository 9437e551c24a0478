import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { HttpResponse, us_listen_socket } from 'uWebSockets.js'
import { CannotStart } from '../../cannot-start.js'
import type { Binding } from './binding.js'

/** Runs one native upgrade with all its output gathered into one write. */
export type UpgradeCork = (res: HttpResponse, upgrade: () => void) => void

export interface UpgradeCorkSettings {
  readonly tls: { readonly certFile: string, readonly keyFile: string } | null
}

/**
 * One try could miss the fault, if a garbage collection fell into the very microseconds that matter: about one in ten
 * thousand.
 */
const TRIES = 3
const TRY_TIMEOUT_MS = 10_000
const LOOPBACK = '127.0.0.1'

/** Corks as the native layer documents it. */
export const corkPlainly: UpgradeCork = (res, upgrade) => { res.cork(upgrade) }

/**
 * Finds how an upgrade can be corked with this binding, in this process.
 *
 * `HttpResponse::upgrade` shrinks the request's memory to that of a WebSocket (`us_poll_resize`, a `realloc`), and glibc
 * frees what is left over. `HttpResponse::cork` notices an upgrade by a changed address only, and a block that shrinks keeps
 * its own. So `cork` goes on as if the request were there: it reads `HttpResponseData::state` from the freed rest, and where
 * `HTTP_CONNECTION_CLOSE` is set and `HTTP_RESPONSE_PENDING` is not, it closes the new WebSocket, which has sent its 101
 * already. The rest holds other data only if something was allocated there before `cork` returned; a garbage collection
 * does that, about once in 8,000 upgrades of a young process. Mended in uWebSockets 20.79 (pull request 1929), which
 * neither binding contains.
 *
 * `WebSocket::cork` gathers output in the same way and looks at nothing afterwards. It is native code of the socket below
 * both classes, so it also corks the response that is about to become a WebSocket; `res.cork` inside it then only runs its
 * function. This is right as long as the address stays, and where it changes `res.cork` alone is right, as it is with a
 * mended binding. Which one is at hand is tried: a request with `Connection: close` has the fatal bits set from the start,
 * so that a faulty `res.cork` closes it every time.
 *
 * @throws CannotStart when no connection over loopback can be made.
 */
export async function findUpgradeCork (uws: Binding['uws'], { tls }: UpgradeCorkSettings): Promise<UpgradeCork> {
  const trial = openTrial(uws, tls)
  try {
    for (let tries = 0; tries < TRIES; tries++) {
      const { closed, socketCork } = await trial.run()
      if (closed) return (res, upgrade) => { Reflect.apply(socketCork, res, [() => { res.cork(upgrade) }]) }
    }
    return corkPlainly
  } finally {
    trial.close()
  }
}

interface Outcome {
  /** `res.cork` closed the new WebSocket. */
  readonly closed: boolean
  /** The `cork` of the sockets of this kind of app, plain or TLS. */
  readonly socketCork: (callback: () => void) => unknown
}

interface Trial {
  /** Makes one upgrade as those of the gateway are: answered after the native callback. */
  run (): Promise<Outcome>
  close (): void
}

/** Opens an app on a port of loopback that the system chooses. It serves nobody but itself. */
function openTrial (uws: Binding['uws'], tls: UpgradeCorkSettings['tls']): Trial {
  const app = tls === null ? uws.App() : uws.SSLApp({ cert_file_name: tls.certFile, key_file_name: tls.keyFile })
  let expectedKey = ''
  let closed = false
  let socketCork: Outcome['socketCork'] | null = null
  let done: (outcome: Outcome) => void = () => {}
  app.ws('/*', {
    upgrade (res, req, context) {
      const key = req.getHeader('sec-websocket-key')
      let gone = key !== expectedKey
      res.onAborted(() => { gone = true })
      if (gone) { res.close(); return }
      setImmediate(() => {
        if (gone) return
        closed = false
        res.cork(() => { res.upgrade({ trial: true }, key, '', '', context) })
        if (socketCork !== null) done({ closed, socketCork })
      })
    },
    open (ws) { socketCork = Reflect.get(ws, 'cork') },
    close () { closed = true }
  })
  let listening: us_listen_socket | null = null
  app.listen(LOOPBACK, 0, (socket) => { if (socket !== false) listening = socket })
  if (listening === null) throw new CannotStart(`cannot listen on ${LOOPBACK}, where the native layer is tried before it serves`)
  const listenSocket: us_listen_socket = listening
  const port = uws.us_socket_local_port(listenSocket as unknown as Parameters<typeof uws.us_socket_local_port>[0])
  return {
    run: async () => await new Promise((resolve, reject) => {
      expectedKey = randomBytes(16).toString('base64')
      // The certificate is our own, and is not what is tried.
      const client = tls === null ? connect(port, LOOPBACK) : connectTls({ port, host: LOOPBACK, rejectUnauthorized: false })
      const fail = (why: string): void => { client.destroy(); reject(new CannotStart(`cannot try the native layer on ${LOOPBACK}: ${why}`)) }
      client.setTimeout(TRY_TIMEOUT_MS, () => { fail('no answer') })
      client.on('error', (error) => { fail(error.message) })
      // One that ends without an upgrade tells of no error. After the outcome this changes nothing.
      client.on('close', () => { fail('it closed') })
      done = (outcome) => { client.destroy(); resolve(outcome) }
      client.write('GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: close\r\n' +
        `Sec-WebSocket-Key: ${expectedKey}\r\nSec-WebSocket-Version: 13\r\n\r\n`)
    }),
    close () {
      // Closing an app before its listen socket crashes the native layer.
      uws.us_listen_socket_close(listenSocket)
      app.close()
    }
  }
}
