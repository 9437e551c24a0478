import type { Test } from 'tap'
import { freshAddress } from '../support/client.js'
import type { TestGateway } from '../support/gateway.js'
import { exchange, upgradeHead } from '../support/raw-socket.js'
import { freshMetrics } from '../support/metrics.js'

/** What became of an upgrade: `null` when the connection ended without an answer. */
export interface Outcome {
  readonly status: number | null
  /** The name of the refusal; empty when there was none. */
  readonly error: string
}

interface Presentation {
  readonly from?: string
  /** The filters, as they stand in the query. */
  readonly query?: string
}

/** Presents a token in the query, percent-encoded where it needs to be, from an address of its own. */
export async function present (t: Test, gateway: TestGateway, token: string, { from = freshAddress(), query = '' }: Presentation = {}): Promise<Outcome> {
  const answer = await exchange(t, gateway, upgradeHead(`/ws?token=${encodeURIComponent(token)}${query === '' ? '' : `&${query}`}`), from)
  if (answer === null || answer.status === 101) return { status: answer?.status ?? null, error: '' }
  return { status: answer.status, error: (JSON.parse(answer.body) as { error: string }).error }
}

/** The same, for a token that must be refused: with the reason that the log gives the operator. */
export async function presentRefused (t: Test, gateway: TestGateway, token: string, query = ''): Promise<string> {
  const from = freshAddress()
  const { status, error } = await present(t, gateway, token, { from, query })
  if (status === 101 || status === null) return status === null ? 'no answer' : 'accepted'
  const line = await gateway.waitForLog('connection.refused', ({ ip }) => ip === from)
  return `${status} ${error} ${String(line['detail'])}`
}

/** The value of one sample of the metrics, named with its labels; 0 when it is not there. */
export async function readMetric (gateway: TestGateway, sample: string): Promise<number> {
  const text = await freshMetrics(gateway.admin)
  const line = text.split('\n').find(line => line.startsWith(`${sample} `))
  return Number(line?.slice(sample.length + 1) ?? 0)
}
