import type { Readable } from 'node:stream'
import type { Explanation } from '../../explain/explanation.js'
import { KINDS, type ByKind } from '../../kinds.js'
import { escapeControls } from '../../observe/log/log-text.js'
import { parseJsonObject } from '../../tokens/token-format.js'
import { readPage } from '../read-page.js'
import { readToken } from '../read-token.js'
import { formatExplanation } from './format-explanation.js'

export interface ExplainOptions extends Partial<ByKind<string>> {
  /** The admin port. */
  readonly url: URL
  /** A file, or `-`. */
  readonly token?: string
  /** A JSON object. */
  readonly claims?: string
  readonly path: string
  readonly address?: string
  readonly origin?: string
  readonly host?: string
  readonly json?: true
}

/** What a command writes, and ends with. */
export interface CommandResult { readonly exitCode: number, readonly stdout: string, readonly stderr: string }

const MAX_ANSWER_BYTES = 262_144
/** Longer than an issuer, Redis and a database may take together. */
const TIMEOUT_MS = 30_000
/** Nobody could be asked, or nothing was answered. */
const NO_ANSWER = 2

const failed = (reason: string): CommandResult => ({ exitCode: NO_ANSWER, stdout: '', stderr: `portcullis: ${reason}\n` })

/** The body of the question; or why there is none. */
async function toBody (options: ExplainOptions, input: Readable): Promise<{ readonly body: string } | { readonly reason: string }> {
  const { token: from, claims: text, path, address, origin, host } = options
  const token = from === undefined ? null : await readToken(from, input)
  if (token?.ok === false) return token
  const claims = text === undefined ? null : parseJsonObject(text)
  if (text !== undefined && claims === null) return { reason: '--claims: wanted a JSON object' }
  const ids = KINDS.map(({ claim, list }) => [list, options[claim]] as const)
  const question = { ...Object.fromEntries(ids), token: token?.token, claims: claims ?? undefined, path, address, origin, host }
  // What is undefined is left out.
  return { body: JSON.stringify(question) }
}

function describeStatus (status: number, url: URL, text: string): string {
  if (status === 401) return `${url.origin} does not know this ADMIN_TOKEN`
  if (status === 404) return `${url.origin} explains nothing: it has no ADMIN_TOKEN, is no admin port, or is of an older release`
  const message = parseJsonObject(text)?.['message']
  return `${url.origin} answered ${status}${typeof message === 'string' ? `: ${message}` : ''}`
}

/**
 * Asks a running gateway what an upgrade would be answered. `secret`: the value of ADMIN_TOKEN, of two the first. Exit code 0: accepted,
 * 1: refused, 2: there is no answer. Never rejects.
 */
export async function runExplain (options: ExplainOptions, secret: string | undefined, input: Readable): Promise<CommandResult> {
  const bearer = secret?.split(',').map(value => value.trim()).find(value => value !== '')
  if (bearer === undefined) return failed('ADMIN_TOKEN is not set: wanted is that of the gateway that is asked')
  const question = await toBody(options, input)
  if ('reason' in question) return failed(question.reason)
  const page = await readPage(new URL('/v1/explain', options.url), {
    maxBytes: MAX_ANSWER_BYTES, timeoutMs: TIMEOUT_MS, post: { bearer, body: question.body }
  })
  if (!page.ok) return failed(page.reason)
  if (page.status !== 200) return failed(escapeControls(describeStatus(page.status, options.url, page.text)))
  const explanation = parseJsonObject(page.text) as Explanation | null
  if (explanation === null || !Array.isArray(explanation.steps)) return failed(`${options.url.origin} answered something else than an explanation`)
  const stdout = options.json === true ? `${JSON.stringify(explanation, null, 2)}\n` : formatExplanation(explanation)
  // What clients wrote must not reach a terminal as a command to it.
  return { exitCode: explanation.outcome === 'accepted' ? 0 : 1, stdout: escapeControls(stdout), stderr: '' }
}
