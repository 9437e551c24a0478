import type { Readable } from 'node:stream'
import { ConfigError } from '../config/config-error.js'
import { readRehearsalSettings, type RehearsalSettings } from '../config/read-rehearsal-settings.js'
import { findErrorCode } from '../error-code.js'
import { escapeControls } from '../observe/log/log-text.js'
import { formatReport, toReport } from '../rehearse/format-rehearsal.js'
import { LogFault, openLog, readLogs, type ReadCounts } from '../rehearse/read-log.js'
import { createRehearser } from '../rehearse/rehearse.js'
import type { CommandResult } from './explain/run-explain.js'

export interface RehearseOptions {
  /** `NAME=VALUE` entries. */
  readonly with: readonly string[]
  readonly json?: true
}

const failed = (reason: string): CommandResult => ({ exitCode: 2, stdout: '', stderr: `portcullis: ${reason}\n` })

/** Plays recorded logs against other limits. Exit code 0; 2 where a setting or a file is wrong. Never rejects. */
export async function runRehearse (
  files: readonly string[], options: RehearseOptions, env: NodeJS.ProcessEnv, input: Readable
): Promise<CommandResult> {
  let settings: RehearsalSettings
  try {
    settings = readRehearsalSettings(env, options.with)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return failed(error.message)
  }
  if (files.length === 0) return failed('wanted one log at least')
  if (files.filter(name => name === '-').length > 1) return failed('the standard input (-) can be read once')
  return await rehearse(files, settings, options, input)
}

async function rehearse (
  files: readonly string[], settings: RehearsalSettings, { json }: RehearseOptions, input: Readable
): Promise<CommandResult> {
  const rehearser = createRehearser(settings)
  const counts: ReadCounts = { lines: 0, unreadable: 0 }
  try {
    for await (const line of readLogs(files.map(name => ({ name, text: openLog(name, input) })), counts)) await rehearser.take(line)
  } catch (error) {
    if (!(error instanceof LogFault)) throw error
    return failed(`${error.message} cannot be read: ${findErrorCode(error.cause) ?? String(error.cause)}`)
  }
  const report = toReport(rehearser.result, counts, settings, files.length)
  const stdout = json === true ? `${JSON.stringify(report, null, 2)}\n` : formatReport(report)
  return { exitCode: 0, stdout: escapeControls(stdout), stderr: '' }
}
