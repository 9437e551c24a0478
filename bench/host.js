import { spawnSync } from 'node:child_process'
import { cpus, release, totalmem } from 'node:os'
import { loadBinding } from '../dist/transport/uws/binding.js'
import { describeBefore } from '../scripts/build-before.js'
import { describeCommit } from '../scripts/describe-commit.js'
import { maxOpenFiles } from './measure/memory.js'

/**
 * What a figure depends on besides the code, and which code it is of.
 * @param {string} [before] the folder of the other build
 */
export function describeHost (before) {
  const { name, reason } = loadBinding()
  const redis = readOutput('redis-server', ['--version'])
  return {
    cpu: `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    kernel: release(),
    node: process.version,
    uWebSockets: `${name}: ${reason}`,
    redis: /v=(\S+)/.exec(redis)?.[1] ?? 'not found',
    'open files': String(maxOpenFiles()),
    log: 'a real file; standard output to /dev/null',
    commit: describeCommit(),
    ...(before === undefined ? {} : { before: describeBefore(before) })
  }
}

function readOutput (program, args) {
  return spawnSync(program, args, { cwd: import.meta.dirname, encoding: 'utf8' }).stdout ?? ''
}
