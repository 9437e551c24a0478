#!/usr/bin/env bash
# Runs a command of the project on the image's platform: Debian 13, its Node, the current binding. See --help.
set -euo pipefail
# shellcheck source=scripts/image-root.sh
source "$(dirname "${BASH_SOURCE[0]}")/image-root.sh"

usage () {
  cat <<TEXT
usage: scripts/in-image.sh [--node 22|24] [--mirror URL] [--with-before] [--with-peers] COMMAND [ARGUMENT...]
  --node         major release of Node; without it: the image's, as in the Dockerfile
  --mirror       Debian mirror for a root that is still to be made; without it: the one that this machine's apt uses
  --with-before  the build before (test/fleet/before.json) stands beside the project, for tests that run both
  --with-peers   programs that the bench compares with, built on this machine, are lent to it (bench/servers/centrifugo-binary.js)

Runs the command in a Debian 13 root with the tests' servers, in a copy of the work tree (what git tracks, and new files
that it does not ignore) with packages of its own. The copy and all that the command writes are thrown away afterwards;
so is every process that it leaves. Standard input, output and exit code are the command's. The network is this machine's.
It does the same on every host, also on one that could run the command itself: the servers are part of the platform.

Run it as root, on Debian or one of its kin. The first run makes the root (some minutes), which later runs share; it is in
$cache
and may be removed when nothing runs.
TEXT
}

# How long a command may take to end after it was told to.
readonly grace_seconds=10
readonly home=/srv/portcullis

inside='' major='' mirror='' before='' peers=''
if [[ ${1:-} == --inside ]]; then
  # The variables of this run come by the environment.
  (( $$ == 1 )) || fail '--inside is for this script alone'
  inside=true major=$run_major mirror=$run_mirror before=$run_before peers=$run_peers
  shift
fi
while (( $# > 0 )); do
  case $1 in
    --node) major=${2:-}; shift 2 || { usage >&2; exit 2; } ;;
    --mirror) mirror=${2:-}; shift 2 || { usage >&2; exit 2; } ;;
    --with-before) before=$(node -p 'require(process.argv[1]).commit' "$project/test/fleet/before.json"); shift ;;
    --with-peers) peers=$(node "$project/bench/servers/centrifugo-binary.js"); shift ;;
    --help) usage; exit 0 ;;
    -*) usage >&2; exit 2 ;;
    *) break ;;
  esac
done
(( $# > 0 )) || { usage >&2; exit 2; }

# wait_for PROCESS: its exit code. A signal that has a trap interrupts `wait`, but not this.
wait_for () {
  local code
  while :; do
    code=0
    wait "$1" || code=$?
    if (( code <= 128 )) || ! kill -0 "$1" 2> /dev/null; then return "$code"; fi
  done
}

# ---- inside: process 1 of new namespaces, whose end is the end of every process and mount in them ----

child=''
end_child () {
  [[ -n $child ]] || exit 143
  kill -TERM "$child" 2> /dev/null || true
  { sleep "$grace_seconds"; kill -KILL "$child"; } &
}

# The work tree as git sees it, without what was deleted.
copy_project () {
  mkdir "$run/project"
  git -C "$project" -c "safe.directory=$project" ls-files -z --cached --others --exclude-standard |
    (cd "$project" && while IFS= read -r -d '' file; do [[ ! -e $file && ! -L $file ]] || printf '%s\0' "$file"; done) |
    tar -C "$project" --null --no-recursion --files-from=- -cf - | tar -xf - --no-same-owner -C "$run/project"
}

# layer TARGET LOWER...: mounts the directories at the target, the first on top; what is written goes to memory.
layer () {
  local target=$1 upper lowers
  shift
  upper=$(mktemp -d "$run/memory/XXXXXX")
  mkdir "$upper/written" "$upper/work"
  chmod 755 "$upper/written"
  lowers=$(IFS=:; echo "$*")
  mount -t overlay overlay -o "lowerdir=$lowers,upperdir=$upper/written,workdir=$upper/work" "$target"
}

# What programs expect of a running system.
mount_system () {
  local name
  mount -t proc proc "$root/proc"
  mount -t tmpfs -o mode=755 tmpfs "$root/dev"
  for name in null zero full random urandom tty; do
    : > "$root/dev/$name"
    mount --bind "/dev/$name" "$root/dev/$name"
  done
  mkdir "$root/dev/shm" "$root/dev/pts"
  mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
  mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$root/dev/pts"
  ln -s pts/ptmx "$root/dev/ptmx"
  ln -s /proc/self/fd "$root/dev/fd"
  for name in 0:stdin 1:stdout 2:stderr; do ln -s "/proc/self/fd/${name%:*}" "$root/dev/${name#*:}"; done
}

# fill_modules DIRECTORY: the packages of package-lock.json, installed by the root's own npm.
fill_modules () {
  note 'installing packages (once for each package-lock.json)'
  (cd "$run/project" && cp --parents package.json package-lock.json .npmrc packages/*/package.json "$1")
  mkdir "$root/srv/modules"
  mount --bind "$1" "$root/srv/modules"
  (enter "$root" root /srv/modules "${environment[@]}" npm ci) < /dev/null >&2
  umount "$root/srv/modules"
}

# fill_before DIRECTORY: the build before, from this clone's history, with packages of its own.
fill_before () {
  note "building $before (once)"
  git -C "$project" -c "safe.directory=$project" archive "$before" | tar -xf - --no-same-owner -C "$1"
  mount --bind "$1" "$root/srv/before"
  (enter "$root" root /srv/before "${environment[@]}" sh -euc 'npm ci && npm run build') < /dev/null >&2
  umount "$root/srv/before"
}

# mount_before RELEASE: puts it beside the project, and says where.
mount_before () {
  local place
  [[ -n $before ]] || return 0
  mkdir "$root/srv/before"
  place=$cache/before-$(key_of "$1" "$before" "$(declare -f fill_before)")
  make_once "$place" fill_before
  layer "$root/srv/before" "$place"
  environment+=(PORTCULLIS_BUILD_BEFORE=/srv/before)
}

# mount_peers: puts them where the bench looks for them; it cannot build them there.
mount_peers () {
  [[ -n $peers ]] || return 0
  mkdir "$root/srv/peers"
  mount --bind -o ro "$peers" "$root/srv/peers"
  environment+=(PORTCULLIS_PEERS=/srv/peers)
}

# Makes what is missing and mounts it all: the root with memory on top, the project's copy and /tmp on the disk.
prepare () {
  local release servers node modules
  release=$(node_release "$major")
  servers=$(servers_root)
  node=$(node_layer "$release")
  mkdir "$run/memory" "$run/root" "$run/tmp"
  chmod 1777 "$run/tmp"
  mount -t tmpfs tmpfs "$run/memory"
  layer "$root" "$node" "$servers"
  lend_network "$root"
  mount_system
  mount --bind "$run/tmp" "$root/tmp"
  copy_project
  environment=("PATH=$path" HOME=/root LANG=C.UTF-8 NPM_CONFIG_UPDATE_NOTIFIER=false
    "PORTCULLIS_COMMIT=$run_commit" "${loans[@]}")
  modules=$cache/modules-$(key_of "$release" "$(packages_wanted)" "$(declare -f fill_modules)")
  make_once "$modules" fill_modules
  mkdir "$root$home" "$run/project/node_modules"
  mount --bind "$run/project" "$root$home"
  layer "$root$home/node_modules" "$modules/node_modules"
  mount_before "$release"
  mount_peers
  # A proxy's address may hold a password.
  (umask 077 && printf '%s\0' "${environment[@]}" > "$run/environment")
}

# All that npm reads to install.
packages_wanted () {
  cd "$run/project"
  cat package-lock.json .npmrc packages/*/package.json
  npm pkg get allowScripts overrides
}

inside () {
  trap end_child HUP TERM
  root=$run/root
  prepare < /dev/null >&2 &
  child=$!
  wait_for "$child"
  child=''
  mapfile -d '' -t environment < "$run/environment"
  [[ -z ${TERM:-} ]] || environment+=("TERM=$TERM")
  [[ -z ${CI:-} ]] || environment+=("CI=$CI")
  isolate=()
  : > "$run/started"
  (enter "$root" root "$home" "${environment[@]}" "$@") <&0 {run_lock}>&- &
  child=$!
  wait_for "$child"
}

# ---- outside ----

# The lock of a run is held by its processes: what nobody holds was left by one that was killed.
sweep_runs () {
  local lock held
  for lock in "$cache"/runs/*.lock; do
    [[ -e $lock ]] || continue
    exec {held}< "$lock"
    if flock --nonblock "$held"; then rm -rf --one-file-system "${lock%.lock}" "$lock"; fi
    exec {held}>&-
  done
}

# end CODE: ends the inside, waits until nothing of it is left, and exits.
end () {
  # A terminal sends its SIGINT to the command as well: that decides.
  if [[ $1 == 130 && -t 0 && -e $run/started ]]; then return; fi
  kill -KILL "$child" 2> /dev/null || true
  wait "$child" 2> /dev/null || true
  exec {run_lock}>&-
  flock "$run.lock" true
  exit "$1"
}

outside () {
  local code=0
  [[ -n $major ]] || { major=$(image_node); major=${major%%.*}; }
  node_release "$major" > /dev/null
  [[ -z $before ]] || git -C "$project" -c "safe.directory=$project" cat-file -e "$before^{commit}" 2> /dev/null ||
    fail "$before is not in this clone's history: git fetch --unshallow"
  (( EUID == 0 )) || fail 'run this as root: debootstrap, chroot and mount need it'
  (( ${#isolate[@]} > 0 )) || fail 'this needs mount and process namespaces (unshare), which are not allowed here'
  mkdir -p "$cache/runs"
  sweep_runs
  forget_unused
  run=$(mktemp -d "$cache/runs/XXXXXX")
  trap 'rm -rf --one-file-system "$run" "$run.lock"' EXIT
  exec {run_lock}> "$run.lock"
  flock "$run_lock"
  trap 'end 129' HUP
  trap 'end 130' INT
  trap 'end 143' TERM
  run_commit=$(node "$project/scripts/describe-commit.js")
  export run run_lock run_commit run_major=$major run_mirror=$mirror run_before=$before run_peers=$peers
  setpriv --pdeathsig KILL unshare --pid --fork --mount-proc --ipc --kill-child=TERM "$BASH" "${BASH_SOURCE[0]}" --inside "$@" <&0 &
  child=$!
  wait_for "$child" || code=$?
  exit "$code"
}

if [[ $inside ]]; then inside "$@"; else outside "$@"; fi
