import { ScriptItemError } from './script-item-error.js'

/** What a failure was about, as far as its error tells. */
export interface FailedCommand {
  /** In lower case. */
  readonly command: string
  /** The keys or channels that it was given. */
  readonly names: readonly string[]
  /** The script ran, and one of its commands failed: which, Redis does not say. */
  readonly isInScript: boolean
}

const SUBSCRIBING = new Set(['subscribe', 'ssubscribe'])
const RUNNING = new Set(['eval', 'evalsha'])

/** Reads the command from an error of the client library, or of one item of a script; null: it carries none. */
export function failedCommand (error: unknown): FailedCommand | null {
  if (error instanceof ScriptItemError) return { command: 'evalsha', names: error.keys, isInScript: true }
  const sent = error instanceof Error && 'command' in error ? readSent(error.command) : null
  if (!(error instanceof Error) || sent === null) return null
  const { command, args } = sent
  if (RUNNING.has(command)) return { command, names: args.slice(2, 2 + Number(args[1])), isInScript: !error.message.startsWith('NOPERM') }
  return { command, names: SUBSCRIBING.has(command) ? args : args.slice(0, 1), isInScript: false }
}

function readSent (sent: unknown): { readonly command: string, readonly args: readonly string[] } | null {
  if (typeof sent !== 'object' || sent === null || !('name' in sent) || !('args' in sent)) return null
  const { name, args } = sent
  return typeof name === 'string' && Array.isArray(args) ? { command: name.toLowerCase(), args: args.map(String) } : null
}
