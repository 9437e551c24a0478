import { baseOf, joinUrl } from '../../join-url.js'
import { readPage } from '../read-page.js'
import { parseMetrics } from './parse-metrics.js'
import type { Reading } from './reading.js'

export type Taken = { readonly ok: true, readonly reading: Reading } | { readonly ok: false, readonly reason: string }

/** A fleet of 256 workers writes about 6 MB. */
const MAX_METRICS_BYTES = 16_777_216
const MAX_READINESS_BYTES = 65_536

function describeReadiness (status: number, text: string): string {
  if (status === 200) return 'ready'
  try {
    const { reasons }: { reasons?: unknown } = JSON.parse(text)
    return Array.isArray(reasons) && reasons.length > 0 ? `not ready: ${reasons.map(String).join(', ')}` : 'not ready'
  } catch {
    return 'not ready'
  }
}

/** Reads the admin port once, at the monotonic time `nowMs` says. Never rejects. */
export async function takeReading (base: URL, nowMs: () => number, signal?: AbortSignal): Promise<Taken> {
  const [metrics, readiness] = await Promise.all([
    readPage(joinUrl(base, '/metrics'), { maxBytes: MAX_METRICS_BYTES, signal }),
    readPage(joinUrl(base, '/readyz'), { maxBytes: MAX_READINESS_BYTES, signal })
  ])
  if (!metrics.ok) return metrics
  if (!readiness.ok) return readiness
  const samples = parseMetrics(metrics.text)
  if (metrics.status !== 200 || !samples.some(({ name }) => name === 'portcullis_connections')) {
    return { ok: false, reason: `${baseOf(base)} is no admin port of a gateway that has started` }
  }
  return { ok: true, reading: { atMs: nowMs(), samples, readiness: describeReadiness(readiness.status, readiness.text) } }
}
