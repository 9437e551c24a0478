import { Compile } from '#typebox/compile'
import type { Control } from '../control/control.js'
import { createRollCall, type Part, type Question } from '../control/roll-call.js'
import { createDropReporter } from '../bus/drop-reporter.js'
import type { Inbound, InboundMessage } from '../bus/inbound.js'
import { createMemoryInbound } from '../bus/memory-inbound.js'
import type { Publishing } from '../bus/publishing.js'
import { createRedisInbound } from '../bus/redis-inbound.js'
import { ListedConnectionSchema } from '../http/answer-schemas.js'
import type { Route } from '../http/route.js'
import { createMainRoutes } from '../http/routes/mounted-routes.js'
import type { OperatorAudit } from '../observe/operator-audit.js'
import type { Tracer } from '../observe/tracing/tracer.js'
import type { ClientMessage, OnInbound } from './gateway-options.js'
import { joinParts } from './list-connections.js'
import type { ListedConnection, Operations } from './operations.js'
import type { OnFault } from './report.js'
import { writeEvent } from '../observe/log/log.js'
import type { TopicLogs } from '../topic-log/topic-logs.js'
import { composeTopics, type TopicsDeps } from './topics.js'

const listed = Compile(ListedConnectionSchema)
const isListedConnection = (entry: unknown): entry is ListedConnection => listed.Check(entry)

export interface Fanout {
  readonly logs: TopicLogs
  readonly inbound: Inbound
  readonly publishing: Publishing
  /** The open connections of all processes. */
  readonly listConnections: Operations['listConnections']
  /** Asks all processes to give back what was lent ahead of this address's message window. */
  readonly askBack: (address: string) => void
  /** Begins to answer the other processes' questions. */
  start (): void
  /** What the main port serves besides WebSockets. */
  readonly routes: readonly Route[]
  close (): Promise<void>
}

export interface FanoutDeps extends TopicsDeps {
  readonly onFault: OnFault
  readonly orders: Pick<Control, 'recheck'>
  readonly operatorAudit: OperatorAudit
  /** Null: nobody wants spans. */
  readonly tracer: Tracer | null
  /** Null: nobody is told. */
  readonly onInbound: OnInbound | null
  /** This process's part of a list of connections. */
  readonly listLocal: (question: Question) => Part<ListedConnection>
  /** A process waits for what was lent ahead of these addresses' message windows. */
  readonly giveBack: (addresses: readonly string[]) => void
}

/** A message as the program gets it: its data parsed, and as it was written. */
function toClientMessage ({ data, ...message }: InboundMessage): ClientMessage {
  const json = data.toString()
  return { ...message, data: JSON.parse(json), json }
}

/** Tells of each message once it is stored. A listener that fails cannot undo that. */
function telling (inbound: Inbound, onInbound: OnInbound, onFault: OnFault): Inbound {
  const tell = async (message: InboundMessage): Promise<void> => { await onInbound(toClientMessage(message)) }
  return {
    ...inbound,
    async append (message) {
      const outcome = await inbound.append(message)
      if (outcome === 'stored') tell(message).catch((error: unknown) => { onFault(error, 'inbound') })
      return outcome
    }
  }
}

function composeInbound ({ config, redis, log, onInbound, onFault }: FanoutDeps): Inbound {
  const { inbound: bounds } = config.access
  if (redis === null) return createMemoryInbound({ onMessage: message => onInbound?.(toClientMessage(message)), bounds })
  const uncounted = createDropReporter<'uncounted'>(({ dropped: messages }) => { writeEvent(log, { event: 'inbound.uncounted', messages }) }, () => performance.now())
  const onUncounted = (): void => { uncounted.note('uncounted') }
  const stream = createRedisInbound({ client: redis.commands, prefix: config.redis?.prefix ?? '', bounds, onUncounted })
  const closing: Inbound = {
    ...stream,
    close () {
      stream.close()
      uncounted.close()
    }
  }
  return onInbound === null ? closing : telling(closing, onInbound, onFault)
}

/** Puts together what travels between processes: events, clients' messages, lists. In memory for one process without Redis. */
export function composeFanout (deps: FanoutDeps): Fanout {
  const { config, redis, listLocal, operatorAudit } = deps
  const { logs, publishing } = composeTopics(deps)
  const inbound = composeInbound(deps)
  const rollCall = redis === null
    ? null
    : createRollCall({
      client: redis.commands,
      prefix: config.redis?.prefix ?? '',
      answer: listLocal,
      isEntry: isListedConnection,
      onGiveBack: deps.giveBack,
      onRefused: deps.redisFailures.note
    })
  return {
    logs,
    inbound,
    publishing,
    async listConnections ({ userId, after, limit }) {
      const question: Question = { subject: userId, after, limit }
      return joinParts(rollCall === null ? { parts: [listLocal(question)], missing: 0 } : await rollCall.ask(question), question)
    },
    askBack (address) { rollCall?.askBack(address) },
    start () { rollCall?.start() },
    routes: createMainRoutes({
      publishKeys: config.admin.publishKeys,
      publishing,
      tracer: deps.tracer,
      tracesEvents: config.tracing.showsInEvents,
      orders: deps.orders,
      onWrongSecret: (kind, { key }) => { operatorAudit.wrongSecret(kind, key) }
    }),
    async close () {
      inbound.close()
      rollCall?.close()
      await logs.close()
    }
  }
}
