import { createScriptRunner, scriptsOn, type LuaScript, type ScriptClient } from '../../redis/lua-script.js'

const TIMEOUT_MS = 1000
/** No release, no listener, no attempt. */
const NOTHING_TO_DECIDE = ['', '']

/**
 * Runs the script that decides attempts, the very one that the limiter runs, without an attempt, on one Redis. Rejects where it may not
 * run, or is not answered.
 */
export async function tryAdmit (node: Pick<ScriptClient, 'evalsha' | 'eval'>, script: LuaScript): Promise<void> {
  await createScriptRunner(scriptsOn(node), TIMEOUT_MS)(script, [], NOTHING_TO_DECIDE)
}
