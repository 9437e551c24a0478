import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Lifetime } from './gateway.js'
import { until } from './until.js'

type Value = string | number | boolean
export interface ReceivedSpan {
  readonly name: string
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string | undefined
  readonly durationMs: number
  /** 2: an error. */
  readonly status: number
  readonly attributes: Readonly<Record<string, Value>>
  /** Of the process. */
  readonly resource: Readonly<Record<string, Value>>
}

interface OtlpValue {
  readonly stringValue?: string
  readonly intValue?: number | string
  readonly doubleValue?: number
  readonly boolValue?: boolean
}
type OtlpAttributes = ReadonlyArray<{ readonly key: string, readonly value: OtlpValue }>
interface OtlpSpan {
  readonly name: string
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
  readonly status: { readonly code: number }
  readonly attributes: OtlpAttributes
}
interface OtlpBody {
  readonly resourceSpans: ReadonlyArray<{
    readonly resource: { readonly attributes: OtlpAttributes }
    readonly scopeSpans: ReadonlyArray<{ readonly spans: readonly OtlpSpan[] }>
  }>
}

export interface Collector {
  readonly endpoint: string
  readonly spans: readonly ReceivedSpan[]
  /** All that it was sent, as text. */
  readonly text: () => string
  /** Headers of the last request. */
  readonly headers: () => Readonly<Record<string, unknown>>
  /** Resolves with the spans that match, once there are as many. */
  waitFor (matches: (span: ReceivedSpan) => boolean, count?: number): Promise<readonly ReceivedSpan[]>
  /** What it answers from now on; null: it takes requests and answers none. */
  answer (status: number | null): void
  /** Requests so far. */
  readonly requests: number
}

function toRecord (attributes: OtlpAttributes): Record<string, Value> {
  return Object.fromEntries(attributes.map(({ key, value }) =>
    [key, value.stringValue ?? value.boolValue ?? Number(value.intValue ?? value.doubleValue)]))
}

function readSpans ({ resourceSpans }: OtlpBody): ReceivedSpan[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans.map(span => ({
    name: span.name,
    traceId: span.traceId,
    spanId: span.spanId,
    parentSpanId: span.parentSpanId,
    durationMs: Number(BigInt(span.endTimeUnixNano) - BigInt(span.startTimeUnixNano)) / 1e6,
    status: span.status.code,
    attributes: toRecord(span.attributes),
    resource: toRecord(resource.attributes)
  }))))
}

/** Receives spans by OTLP over HTTP, as JSON. */
export async function startCollector (t: Lifetime): Promise<Collector> {
  const spans: ReceivedSpan[] = []
  let [text, requests] = ['', 0]
  let status: number | null = 200
  let headers: Readonly<Record<string, unknown>> = {}
  const server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (part: string) => { body += part }).on('end', () => {
      requests++
      if (status === null) return
      headers = { ...request.headers, method: request.method, url: request.url }
      text += body
      if (status === 200) spans.push(...readSpans(JSON.parse(body) as OtlpBody))
      response.writeHead(status, { 'Content-Type': 'application/json' }).end('{}')
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => { server.close(resolve) })
  })
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    text: () => text,
    headers: () => headers,
    async waitFor (matches, count = 1) {
      await until(`${count} such spans`, () => spans.filter(matches).length >= count)
      return spans.filter(matches)
    },
    answer (next) { status = next },
    get requests () { return requests }
  }
}
