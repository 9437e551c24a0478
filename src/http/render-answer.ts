import type { Answer } from './answers.js'

/** An answer as it goes over the wire. */
export interface RenderedAnswer {
  readonly status: number
  /** All but those that the host itself adds: `Content-Length`, `Connection`, `Date`. */
  readonly headers: readonly (readonly [string, string])[]
  readonly body: string
}

const JSON_TYPE = 'application/json; charset=utf-8'
/** Answers hold secrets and states of the moment, and none of them may be taken by a browser for something else. */
const EVERY_ANSWER = [['Cache-Control', 'no-store'], ['X-Content-Type-Options', 'nosniff']] as const

/** Writes an answer out, the same for both hosts. Throws TypeError when its body is not JSON. */
export function renderAnswer ({ status, body, text, headers = {} }: Answer): RenderedAnswer {
  const content = text ?? (body === undefined ? null : { contentType: JSON_TYPE, body: `${JSON.stringify(body)}\n` })
  return {
    status,
    headers: [...(content === null ? [] : [['Content-Type', content.contentType] as const]), ...EVERY_ANSWER, ...Object.entries(headers)],
    body: content?.body ?? ''
  }
}
