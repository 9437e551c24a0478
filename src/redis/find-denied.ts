import { readIntegers } from './lua-reply.js'
import { createScriptRunner, readLuaScript, scriptsOn, type ScriptClient } from './lua-script.js'
import type { Need } from './needs.js'

/** One command that the user of a connection has no right to, with the key or channel that it was asked about. */
export interface Denied {
  readonly command: string
  readonly need: Need
}

const script = readLuaScript(new URL('./lua/', import.meta.url), 'find-denied')
const TIMEOUT_MS = 1000
/** An id that fits wherever a pattern has a `*`; no user, topic or node has this name. */
const PROBE_ID = 'portcullis-check'

/**
 * Asks one Redis which of the needs its user is denied, without running any of them. Null before Redis 7, which cannot say.
 * Rejects when the script itself is denied, or Redis does not answer.
 */
export async function findDenied (node: Pick<ScriptClient, 'evalsha' | 'eval'>, needs: readonly Need[]): Promise<Denied[] | null> {
  const questions = needs.flatMap(need => need.commands.map(command => ({ command, need })))
  const args = questions.flatMap(({ command, need }) => [command, need.pattern.replaceAll('*', PROBE_ID)])
  const reply = await createScriptRunner(scriptsOn(node), TIMEOUT_MS)(script, [], args)
  return reply === null ? null : readIntegers(reply, script.name).flatMap(place => questions[place - 1] ?? [])
}
