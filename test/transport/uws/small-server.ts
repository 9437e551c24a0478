import type { ServerSettings } from '../../../src/transport/uws/server.js'

/** A native server on a free port of loopback, with small limits and nothing more; for a test to change what it is about. */
export const SMALL_SERVER: ServerSettings = {
  host: '127.0.0.1',
  port: 0,
  tls: null,
  exclusivePort: true,
  setBacklog: null,
  maxFrameBytes: 1024,
  maxBufferedBytes: 1024,
  compression: false,
  proxyProtocol: false,
  idleTimeoutS: 8,
  bodies: { maxBytesInAll: 1024 }
}
