import type { Tracer } from './tracer.js'

/** What spans say of the process, and where they go. */
export interface TracerOptions {
  /** Of the collector, with its path. */
  readonly tracesUrl: string
  /** The process, as in the log. */
  readonly node: string
  /** Spans cannot be sent: told once, until they can again. `reason`, `detail`: as in the log; `detail` null: nothing is known. */
  readonly onFailed: (reason: string, detail: string | null) => void
  /** They can be sent again; `spans` were lost in `durationMs`. */
  readonly onRestored: (spans: number, durationMs: number) => void
}

export type CreateTracer = (options: TracerOptions) => Tracer

/** Loads what makes spans; null: nobody wants them, and nothing is loaded. */
export async function loadTracing ({ tracesUrl }: { readonly tracesUrl: string | null }): Promise<CreateTracer | null> {
  if (tracesUrl === null) return null
  const { createOtlpTracer } = await import('./otlp-tracer.js')
  return createOtlpTracer
}
