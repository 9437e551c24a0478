import Type from '#typebox'
import { createRoute } from '../create-route.js'
import { NO_INPUT, type Route } from '../route.js'

export interface MetricsRoutesDeps {
  /** The metrics as text, and the type of that text. */
  renderMetrics (): Promise<{ readonly contentType: string, readonly body: string }>
}

/** What Prometheus reads. */
export function createMetricsRoutes ({ renderMetrics }: MetricsRoutesDeps): Route[] {
  return [createRoute({
    ...NO_INPUT,
    method: 'GET',
    path: '/metrics',
    secret: null,
    tag: 'health',
    summary: 'Prometheus metrics',
    answers: { 200: { description: 'Text exposition format.', contentType: 'text/plain', schema: Type.String() } },
    handle: async () => ({ status: 200, text: await renderMetrics() })
  })]
}
