import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { Test } from 'tap'
import { PROJECT } from '../support/root.js'
import { readDocument, ROOT } from './documents.js'

/** A block that a reader pastes into a shell, and what the guide says it prints; null: it does not say. */
interface GuideCommand { readonly command: string, readonly output: string | null }

export interface Surroundings {
  /** What stands in the guide, and what stands for it here. Each must occur. */
  readonly replace: Readonly<Record<string, string>>
  readonly env?: Readonly<Record<string, string>>
}

const BLOCK = /^```sh test\n([^]*?)^```$(?:\n\n```text\n([^]*?)^```$)?/gm
const END = '@@ end of block @@'
const COMMANDS_MS = 60_000

export function readGuideFile (file: string): string {
  return readFileSync(new URL(`docs/guides/files/${file}`, PROJECT), 'utf8')
}

function readCommands (guide: string): GuideCommand[] {
  return [...readDocument(`guides/${guide}`).matchAll(BLOCK)].map(([, command = '', output]) => ({ command, output: output ?? null }))
}

/** Puts in what stands here for what stands in a document. Throws when something does not occur, so that no test runs the wrong words. */
export function replaceAllOf (text: string, replace: Readonly<Record<string, string>>): string {
  return Object.entries(replace).reduce((done, [from, to]) => {
    if (!done.includes(from)) throw new Error(`the document does not say ${from}`)
    return done.replaceAll(from, to)
  }, text)
}

/** Whether the output is what the guide shows; `…` stands there for what differs from run to run. */
export function isAsShown (shown: string, real: string): boolean {
  const pattern = shown.trimEnd().split('…').map(part => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')).join('[^]*?')
  return new RegExp(`^${pattern}\\s*$`).test(real)
}

/** Runs the blocks of a guide marked `sh test`, in order and in one shell, and compares what they print with what it shows. */
export async function runGuide (t: Test, guide: string, { replace, env = {} }: Surroundings): Promise<void> {
  const commands = readCommands(guide)
  const script = replaceAllOf(commands.map(({ command }) => `${command}echo '${END}'\n`).join(''), replace)
  const shell = spawn('bash', ['-euo', 'pipefail', '-c', `exec 2>&1\n${script}`], {
    cwd: ROOT, env: { PATH: process.env['PATH'] ?? '', ...env }, stdio: ['ignore', 'pipe', 'inherit'], timeout: COMMANDS_MS, killSignal: 'SIGKILL'
  })
  let output = ''
  shell.stdout.setEncoding('utf8').on('data', (text: string) => { output += text })
  const [code] = await once(shell, 'close') as [number | null]
  const printed = output.split(`${END}\n`)
  t.equal(code, 0, 'every command ends well', { output })
  for (const [index, { command, output: shown }] of commands.entries()) {
    const real = printed[index] ?? ''
    if (shown !== null) t.ok(isAsShown(shown, real), command.trimEnd(), { shown, real })
  }
  t.ok(commands.length > 0)
}
