import { createScriptRunner, scriptsOn, type ScriptClient } from '../../redis/lua-script.js'
import { loadScript } from './scripts.js'

const script = loadScript('admit')
const TIMEOUT_MS = 1000
/** Limits and times that no attempt is measured by, no record, no release. */
const NOTHING_TO_DECIDE = [1, 1, 0, 1, 1, 0, '']

/** Runs the script that decides attempts, without an attempt, on one Redis. Rejects where it may not run, or is not answered. */
export async function tryAdmit (node: Pick<ScriptClient, 'evalsha' | 'eval'>): Promise<void> {
  await createScriptRunner(scriptsOn(node), TIMEOUT_MS)(script, [], NOTHING_TO_DECIDE)
}
