// Finds the server program that a test needs and prints its path; installs Debian's package when it may.
//   node scripts/ensure-server.js redis|postgres|pgbouncer|jq|chromium|prometheus|promtool|nginx|caddy|haproxy|redis-py|websockets-py
//   node scripts/ensure-server.js --packages    prints the names of all those packages
import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync, readdirSync, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { pathToFileURL } from 'node:url'

const servers = {
  redis: { program: 'redis-server', package: 'redis-server', folders: () => [] },
  postgres: { program: 'postgres', package: 'postgresql', folders: postgresFolders },
  pgbouncer: { program: 'pgbouncer', package: 'pgbouncer', folders: () => ['/usr/sbin', '/usr/local/sbin'] },
  jq: { program: 'jq', package: 'jq', folders: () => [] },
  chromium: { program: 'chromium', package: 'chromium', folders: () => [] },
  prometheus: { program: 'prometheus', package: 'prometheus', folders: () => [] },
  promtool: { program: 'promtool', package: 'prometheus', folders: () => [] },
  nginx: { program: 'nginx', package: 'nginx', folders: () => ['/usr/sbin', '/usr/local/sbin'] },
  caddy: { program: 'caddy', package: 'caddy', folders: () => [] },
  haproxy: { program: 'haproxy', package: 'haproxy', folders: () => ['/usr/sbin', '/usr/local/sbin'] },
  'redis-py': { program: 'python3', package: 'python3-redis', folders: () => [], holds: (path) => runsPython(path, 'import redis') },
  'websockets-py': {
    program: 'python3',
    package: 'python3-websockets',
    folders: () => [],
    // What the Python client needs: releases before 13 have another module, and its syntax is that of Python 3.10.
    holds: (path) => runsPython(path, 'import sys, websockets.asyncio.client; sys.exit(sys.version_info < (3, 10))')
  }
}

/** Whether this Python comes to a good end with a program. */
function runsPython (path, program) {
  return spawnSync(path, ['-c', program], { stdio: 'ignore' }).status === 0
}

/** Debian keeps the server out of the PATH, one folder a version: the newest first. */
function postgresFolders () {
  const root = '/usr/lib/postgresql'
  if (!existsSync(root)) return []
  return readdirSync(root).sort((a, b) => Number(b) - Number(a)).map((version) => join(root, version, 'bin'))
}

function find (server) {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/local/bin', '/usr/bin', ...server.folders()]
  return folders.filter(Boolean).map((folder) => join(folder, server.program))
    .find((path) => isProgram(path) && (server.holds?.(path) ?? true))
}

function isProgram (path) {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

// The lock, which dies with its holder, lets parallel test files ask at once; whoever waited finds the package there.
// policy-rc.d is Debian's way to say that an installed package must not start its service.
const installScript = `
if dpkg-query -W -f='\${Status}' "$1" 2>/dev/null | grep -q 'ok installed'; then exit 0; fi
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  trap 'exit 1' HUP INT TERM
  printf '#!/bin/sh\\nexit 101\\n' > "$policy"
  chmod 755 "$policy"
fi
apt-get update
apt-get install -y --no-install-recommends "$1"
`

function install (server) {
  const mayInstall = process.getuid?.() === 0 && existsSync('/usr/bin/apt-get') && existsSync('/usr/bin/flock')
  if (!mayInstall) return
  spawnSync('flock', ['/run/portcullis-install.lock', 'sh', '-ec', installScript, 'sh', server.package], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    timeout: 300_000
  })
}

/**
 * The path of the server program, installed first when it is missing and may be.
 * @param {keyof typeof servers} name
 * @returns {string}
 */
export function ensureServer (name) {
  const server = servers[name]
  let path = find(server)
  if (path === undefined) {
    install(server)
    path = find(server)
  }
  if (path === undefined) {
    throw new Error(`the tests need ${server.program}: install it (Debian, Ubuntu: apt-get install ${server.package})`)
  }
  return path
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const name = process.argv[2] ?? ''
  if (name === '--packages') {
    console.log([...new Set(Object.values(servers).map((server) => server.package))].join(' '))
    process.exit(0)
  }
  if (!Object.hasOwn(servers, name)) {
    console.error('usage: node scripts/ensure-server.js --packages|redis|postgres|pgbouncer|jq|chromium|prometheus|promtool|nginx|caddy|haproxy|redis-py|websockets-py')
    process.exit(2)
  }
  try {
    console.log(ensureServer(name))
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error))
    process.exit(1)
  }
}
