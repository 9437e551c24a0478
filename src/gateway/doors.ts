import { createDelivery } from '../connection/deliver.js'
import { PATHS } from '../connection/read-request.js'
import { loadBinding, type Binding } from '../transport/uws/binding.js'
import { createUwsServer, type Server, type ServerHandlers } from '../transport/uws/server.js'
import { composeAdmin, type AdminPart } from './admin.js'
import { composeFanout, type Fanout } from './bus.js'
import { composeConnections, type Connections } from './connections.js'
import type { Exits } from './exits.js'
import type { Ground } from './ground.js'
import type { Judges } from './judges.js'
import { composeIssuerWord } from './issuer-word.js'
import { listLocalConnections } from './list-connections.js'
import { composePlainRequests } from './plain-requests.js'
import { composeProcessOperations, type ProcessOperations } from './process-operations.js'
import { toServerSettings } from './server-settings.js'
import { composeTicketRoutes } from './ticket-routes.js'
import { createTlsReload } from './tls-reload.js'
import { writeEvent } from '../observe/log/log.js'

/** What clients, back ends and operators come in by. All are shut. */
export interface Doors {
  readonly binding: Binding
  readonly server: Server
  readonly serverHandlers: ServerHandlers
  readonly fanout: Fanout
  readonly connections: Connections
  readonly operations: ProcessOperations
  /** Null: the supervisor has it. */
  readonly admin: AdminPart | null
  /** Takes the TLS files as they are now. */
  readonly reload: () => void
}

/** Puts the doors together, on ground and judges. What is published goes out by the server, so it is made first, and listens last. */
export function composeDoors (ground: Ground, judges: Judges, exits: Exits): Doors {
  const { config, options, log, node, registry, processName, redis, redisFailures, audit, operatorAudit, metrics, tracer, onFault } = ground
  const binding = loadBinding()
  const server = createUwsServer(binding, toServerSettings(config, (reason) => { writeEvent(log, { event: 'listen.backlog', reason }) }))
  const delivery = createDelivery({
    sendToTopic: server.sendToTopic, maxBufferedBytes: config.server.maxBufferedBytes, onGap: metrics.gap
  })
  const fanout = composeFanout({
    config,
    redis,
    processName,
    log,
    onFault,
    redisFailures,
    operatorAudit,
    tracer,
    orders: judges.control,
    onRead: metrics.historyRead,
    onInbound: options.onInbound ?? null,
    listLocal: question => listLocalConnections(registry, node, question),
    giveBack: addresses => { judges.limits.messageLimit.giveBack(addresses) },
    ownBus: options.parts?.bus ?? null
  })
  exits.add(() => fanout.close().catch((error: unknown) => { onFault(error, 'stop') }))
  const connections = composeConnections({ ground, judges, fanout, delivery, exits })
  exits.add(connections.stop)
  const plainRequests = composePlainRequests({
    settings: config.upgrade, isWebSocketPath: path => PATHS.has(path), audit, metrics, report: judges.report
  })
  const issuerWord = composeIssuerWord(ground, judges, exits)
  const operations = composeProcessOperations({ ground, judges, fanout, connections, server, binding: binding.release })
  return {
    binding,
    server,
    serverHandlers: {
      paths: [...PATHS.keys()],
      routes: [...fanout.routes, ...issuerWord, ...composeTicketRoutes(ground, judges), ...(options.routes ?? [])],
      findClient: plainRequests.findClient,
      keepsConnections: () => ground.phase.current === 'running',
      onUpgrade: connections.lifecycle.onUpgrade,
      onOther: plainRequests.refuseOther,
      onLostUpgrade: () => {
        metrics.upgradeLost()
        writeEvent(log, { event: 'upgrade.lost' })
      },
      onFault: (error) => { onFault(error, 'server') }
    },
    fanout,
    connections,
    operations,
    admin: options.worker === undefined ? composeAdmin({ config, operations, operatorAudit, tracer, onFault }) : null,
    reload: createTlsReload(config, server, log)
  }
}
