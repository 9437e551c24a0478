import type { CreateTracer } from './tracer.js'

/** Loads what makes spans; null: nobody wants them, and nothing is loaded. */
export async function loadTracing ({ tracesUrl }: { readonly tracesUrl: string | null }): Promise<CreateTracer | null> {
  if (tracesUrl === null) return null
  const { createOtlpTracer } = await import('./otlp-tracer.js')
  return createOtlpTracer
}
