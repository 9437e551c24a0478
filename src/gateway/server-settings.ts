import type { Config } from '../config/config.js'
import { createSetBacklog } from '../transport/uws/backlog.js'
import type { ServerSettings } from '../transport/uws/server.js'

/** Bodies of plain requests: sixteen of the largest that may be published. */
const MAX_BODY_BYTES_IN_ALL = 16_777_216

/** The settings as the native server takes them. `onBacklogFailure` gets the reason. */
export function toServerSettings ({ server, upgrade }: Config, onBacklogFailure: (reason: string) => void): ServerSettings {
  return {
    host: server.host,
    port: server.port,
    tls: server.tls,
    exclusivePort: server.workers === 1,
    setBacklog: server.listenBacklog === null ? null : createSetBacklog(server.listenBacklog, onBacklogFailure),
    maxFrameBytes: server.maxFrameBytes,
    maxBufferedBytes: server.maxBufferedBytes,
    compression: server.compression,
    proxyProtocol: upgrade.proxyProtocol,
    idleTimeoutS: nativeIdleTimeoutS(server.pingIntervalMs),
    bodies: { maxBytesInAll: MAX_BODY_BYTES_IN_ALL }
  }
}

/**
 * The native idle time-out catches dead peers, which answer no ping: it moves in steps of 4 s between 8 and 960, outside
 * of which the native layer ends the process.
 */
function nativeIdleTimeoutS (pingIntervalMs: number): number {
  return Math.min(960, Math.max(8, Math.ceil((pingIntervalMs / 1000 + 12) / 4) * 4))
}
