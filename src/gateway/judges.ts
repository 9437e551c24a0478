import type { Authorizer } from '../access/authorizer.js'
import type { ClientAddress } from '../address/client-address.js'
import { createIdentify, type Identify } from '../connection/identify.js'
import type { Report } from '../connection/report.js'
import { createResumePasses, type ResumePasses } from '../connection/resume-pass.js'
import type { Control } from '../control/control.js'
import type { IssuerKeys } from '../tokens/issuer-keys.js'
import type { TokenVerifier } from '../tokens/token-verifier.js'
import { composeAccess, type Access } from './access.js'
import { watchAccessSafety, type AccessSafety } from './access-safety.js'
import { createBreakGlass, type BreakGlass } from './break-glass.js'
import { composeControl } from './control.js'
import { createEndings, type Endings } from './endings.js'
import type { Exits } from './exits.js'
import type { Ground } from './ground.js'
import { composeIntrospection } from './introspection.js'
import { composeLimits, type Limits } from './limits.js'
import { composeNodes, type Nodes } from './nodes.js'
import { createReport } from './report.js'
import { createResumeKey, type ResumeKey } from './resume-key.js'
import { composeStrikes } from './strikes.js'
import { createAccessWarnings, tellAccessFaults } from './tell-access-faults.js'
import { composeTickets, type TicketsPart } from './tickets.js'
import { composeTokens } from './tokens.js'
import { traceUpgrades } from './trace-upgrades.js'
import { writeEvent } from '../observe/log/log.js'

/** What decides who is let in, and writes down what was decided. Takes no connection yet. */
export interface Judges {
  readonly nodes: Nodes
  readonly limits: Limits
  readonly access: Access
  /** The same authorizer, whose faults are not written down: an operator who asks is told. */
  readonly quietAuthorizer: Authorizer
  readonly accessSafety: AccessSafety
  readonly tokens: TokenVerifier
  readonly issuerKeys: readonly IssuerKeys[]
  readonly control: Control
  readonly endings: Endings
  /** How long an address is banned, everywhere or by this process alone while Redis is away; 0: not at all. */
  readonly bannedForMs: (addressKey: string) => number
  /** Takes down that an address broke its limit. */
  readonly strike: (address: ClientAddress) => void
  readonly breakGlass: BreakGlass
  readonly identify: Identify
  readonly report: Report
  readonly resumeKey: ResumeKey
  readonly passes: ResumePasses
  readonly tickets: TicketsPart
}

/** Puts the judges together, on the ground alone. */
export function composeJudges (ground: Ground, exits: Exits): Judges {
  const { config, options, log, audit, metrics, tracer, processName, redis, redisFailures, registry, onFault, node } = ground
  const { parts = {} } = options
  // Whatever does not close properly keeps nobody from stopping: it is a line in the log.
  const addExit = (close: () => Promise<void>): void => { exits.add(() => close().catch((error: unknown) => { onFault(error, 'stop') })) }
  const nodes = composeNodes({ config, node, redis, registry, audit, onRefused: redisFailures.note, onFault })
  exits.add(nodes.close)
  const keepRecords = { node, ...nodes.trust }
  const limits = composeLimits({
    config,
    redis,
    audit,
    metrics,
    redisFailures,
    keepRecords,
    ownLimiter: parts.limiter ?? null,
    processName,
    readsTopics: parts.bus === undefined
  })
  addExit(limits.close)
  const warnings = createAccessWarnings(log)
  exits.add(warnings.close)
  const chosen = composeAccess(config, parts.authorizer ?? null, warnings.tell)
  const access = { ...chosen, authorizer: tellAccessFaults(chosen.authorizer, log) }
  addExit(async () => { await access.authorizer.close() })
  const accessSafety = watchAccessSafety(access.authorizer, log)
  exits.add(accessSafety.close)
  const { tokens, issuerKeys } = composeTokens(config, audit, parts.tokens ?? null, () => composeIntrospection(ground, exits))
  exits.add(() => { tokens.close() })
  const control = composeControl({ config, redis, log, redisFailures }, exits)
  addExit(control.close)
  const endings = createEndings(registry)
  const strikes = composeStrikes({ config, redis, redisFailures, audit, onFault, control, endings })
  exits.add(strikes.close)
  const written = createReport({ ...audit, closed: nodes.closed }, metrics, onFault, config.limits.dryRun)
  const report = strikes.watch(traceUpgrades(written, tracer))
  const breakGlass = createBreakGlass(config.insecureUntilMs, log)
  exits.add(breakGlass.stop)
  const identify = createIdentify({ tokens, isRevoked: control.isRevoked, anonymous: breakGlass.anonymous })
  const resumeKey = createResumeKey({
    configured: config.server.resumeKeys,
    redis,
    prefix: config.redis?.prefix ?? '',
    onUnreadable: () => { writeEvent(log, { event: 'resume_key.unreadable' }) }
  })
  exits.add(resumeKey.close)
  const passes = createResumePasses({ keys: resumeKey.current })
  const tickets = composeTickets(ground, resumeKey)
  const bannedForMs = (addressKey: string): number => Math.max(control.bannedForMs(addressKey), strikes.bannedForMs(addressKey))
  const { strike } = strikes
  const quietAuthorizer = chosen.authorizer
  const decided = { nodes, limits, access, quietAuthorizer, accessSafety, tokens, issuerKeys, control, endings, bannedForMs, strike }
  return { ...decided, breakGlass, identify, report, resumeKey, passes, tickets }
}
