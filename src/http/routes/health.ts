import type { Static } from '#typebox'
import { VERSION } from '../../version.js'
import { HealthSchema, ReadinessSchema } from '../answer-schemas.js'
import type { Answer } from '../answers.js'
import { createRoute } from '../create-route.js'
import { NO_INPUT, type Route } from '../route.js'

type ReadinessBody = Static<typeof ReadinessSchema>

/** Whether traffic may be sent here, and why not. */
export interface ReadinessReport {
  readonly ready: boolean
  readonly reasons: readonly ReadinessBody['reasons'][number][]
  readonly issuersWithoutKeys: readonly string[]
  /** Absent where there are no workers. */
  readonly workersMissing?: readonly number[]
}

export interface HealthRoutesDeps {
  readiness (): ReadinessReport | Promise<ReadinessReport>
}

const NOT_READY: ReadinessBody = { status: 'not_ready', reasons: ['draining'], issuers_without_keys: [] }

function answerReadiness ({ ready, reasons, issuersWithoutKeys, workersMissing }: ReadinessReport): Answer {
  const body: ReadinessBody = {
    status: ready ? 'ready' : 'not_ready',
    reasons: [...reasons],
    issuers_without_keys: [...issuersWithoutKeys],
    ...(workersMissing === undefined ? {} : { workers_missing: [...workersMissing] })
  }
  return { status: ready ? 200 : 503, body }
}

/** What balancers and orchestrators ask. */
export function createHealthRoutes ({ readiness }: HealthRoutesDeps): Route[] {
  return [
    createRoute({
      ...NO_INPUT,
      method: 'GET',
      path: '/healthz',
      secret: null,
      tag: 'health',
      summary: 'The process lives',
      answers: { 200: { description: 'It does.', schema: HealthSchema } },
      handle: () => ({ status: 200, body: { status: 'ok', version: VERSION } })
    }),
    createRoute({
      ...NO_INPUT,
      method: 'GET',
      path: '/readyz',
      secret: null,
      tag: 'health',
      summary: 'Whether traffic may be sent here',
      answers: {
        200: { description: 'It may.', schema: ReadinessSchema },
        503: {
          description: 'It may not: starting, draining, no issuer\'s tokens can be checked, Redis is away and the limits need it, its user may not ask them, the database that decides rights is not safe, or descriptors are short and the main port is closed.',
          schema: ReadinessSchema,
          examples: { draining: NOT_READY }
        }
      },
      handle: async () => answerReadiness(await readiness())
    })
  ]
}
