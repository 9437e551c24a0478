import Type from '#typebox'
import { createRoute } from '../create-route.js'
import { NO_INPUT, type Route } from '../route.js'
import { shareWork } from '../share-work.js'

export interface MetricsRoutesDeps {
  /** The metrics as text, and the type of that text. */
  renderMetrics (): Promise<{ readonly contentType: string, readonly body: string }>
}

/** Rendering takes about 2 ms of a process that serves clients meanwhile, and anybody may ask for it. */
const FRESH_MS = 1000

/** What Prometheus reads: rendered once for all who ask within a second. */
export function createMetricsRoutes ({ renderMetrics }: MetricsRoutesDeps): Route[] {
  const render = shareWork(FRESH_MS, renderMetrics)
  return [createRoute({
    ...NO_INPUT,
    method: 'GET',
    path: '/metrics',
    secret: null,
    tag: 'health',
    summary: 'Prometheus metrics',
    answers: { 200: { description: 'Text exposition format, at most a second old.', contentType: 'text/plain', schema: Type.String() } },
    handle: async () => ({ status: 200, text: await render() })
  })]
}
