import type { Readable } from 'node:stream'
import type { Explanation } from '../../explain/explanation.js'
import { KINDS, type ByKind } from '../../kinds.js'
import { baseOf, joinUrl } from '../../join-url.js'
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

/** What is sent: the body of the question, and the secret that it comes with. */
interface Asking { readonly bearer: string, readonly body: string }

/** Puts together what is sent; or all that is wrong with what was given. */
async function prepare (
  options: ExplainOptions, secret: string | undefined, input: Readable
): Promise<Asking | { readonly reasons: readonly string[] }> {
  const { token: from, claims: text, path, address, origin, host } = options
  const bearer = secret?.split(',').map(value => value.trim()).find(value => value !== '')
  const claims = text === undefined ? null : parseJsonObject(text)
  const reasons: string[] = []
  if (bearer === undefined) reasons.push('ADMIN_TOKEN is not set: wanted is that of the gateway that is asked')
  if (text !== undefined && claims === null) reasons.push('--claims: wanted a JSON object')
  if (text !== undefined && from !== undefined) reasons.push('--token or --claims, not both')
  // A token that would not be sent is not waited for at a terminal.
  const token = from === undefined || (from === '-' && reasons.length > 0) ? null : await readToken(from, input)
  if (token?.ok === false) reasons.push(token.reason)
  if (bearer === undefined || reasons.length > 0) return { reasons }
  const ids = KINDS.map(({ claim, list }) => [list, options[claim]] as const)
  const presented = { token: token?.ok === true ? token.token : undefined, claims: claims ?? undefined }
  // What is undefined is left out.
  return { bearer, body: JSON.stringify({ ...presented, path, address, origin, host, ...Object.fromEntries(ids) }) }
}

function describeStatus (status: number, at: string, text: string): string {
  if (status === 401) return `${at} does not know this ADMIN_TOKEN`
  if (status === 404) return `${at} explains nothing: it has no ADMIN_TOKEN, is no admin port, or is of an older release`
  const message = parseJsonObject(text)?.['message']
  return `${at} answered ${status}${typeof message === 'string' ? `: ${message}` : ''}`
}

/**
 * Asks a running gateway what an upgrade would be answered. `secret`: the value of ADMIN_TOKEN, of two the first. Exit code 0: accepted,
 * 1: refused, 2: there is no answer. Never rejects.
 */
export async function runExplain (options: ExplainOptions, secret: string | undefined, input: Readable): Promise<CommandResult> {
  const post = await prepare(options, secret, input)
  if ('reasons' in post) return failed(post.reasons.join('; '))
  const at = baseOf(options.url)
  const page = await readPage(joinUrl(options.url, '/v1/explain'), { maxBytes: MAX_ANSWER_BYTES, timeoutMs: TIMEOUT_MS, post })
  if (!page.ok) return failed(page.reason)
  if (page.status !== 200) return failed(escapeControls(describeStatus(page.status, at, page.text)))
  const explanation = parseJsonObject(page.text) as Explanation | null
  if (explanation === null || !Array.isArray(explanation.steps)) return failed(`${at} answered something else than an explanation`)
  const stdout = options.json === true ? `${JSON.stringify(explanation, null, 2)}\n` : formatExplanation(explanation)
  // What clients wrote must not reach a terminal as a command to it.
  return { exitCode: explanation.outcome === 'accepted' ? 0 : 1, stdout: escapeControls(stdout), stderr: '' }
}
