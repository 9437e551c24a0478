#!/usr/bin/env bash
# Checks the Dockerfile where there is no Docker engine: makes a Debian 13 root with debootstrap, puts Node and npm in it
# from their npm packages, runs the Dockerfile's own steps there, and starts the result as its user, as PID 1.
# Run as root on Debian or one of its kin. Needs node, npm and tar; installs debootstrap when it is missing.
set -euo pipefail

usage () {
  cat <<'TEXT'
usage: scripts/check-image.sh [--uws-source github|registry] [--cache DIR] [--mirror URL]
  --uws-source  the build argument UWS_SOURCE; without it: github where that answers, else registry
  --cache       keep the Debian root there as a tarball, and take it from there the next time
  --mirror      Debian mirror; without it: the one that this machine's apt uses
TEXT
}

fail () {
  echo "check-image: $*" >&2
  exit 1
}

step () {
  printf '\n== %s\n' "$*"
}

uws_source='' cache='' mirror=''
while (( $# > 0 )); do
  case $1 in
    --uws-source) uws_source=${2:?}; shift 2 ;;
    --cache) cache=${2:?}; shift 2 ;;
    --mirror) mirror=${2:?}; shift 2 ;;
    --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
done

project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/check-image.XXXXXX")
# Mounts are made in namespaces that end with their processes: none can be left for rm to walk into.
trap 'rm -rf --one-file-system "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"

(( EUID == 0 )) || fail 'run this as root: debootstrap and chroot need it'
base=$work/base context=$work/context
path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
isolate=()
if unshare --mount --pid --fork true 2> /dev/null; then
  isolate=(unshare --mount --pid --fork --kill-child)
else
  echo 'check-image: namespaces are not allowed here: the server will not be PID 1, and /proc will be empty' >&2
fi

# enter ROOT USER DIRECTORY [NAME=VALUE...] COMMAND...: becomes the command, with no environment but the one given.
enter () {
  local root=$1 user=$2 directory=$3
  shift 3
  # shellcheck disable=SC2016 # the inner shell expands these
  exec "${isolate[@]}" sh -euc '
    root=$1 user=$2; shift 2
    if [ "$$" = 1 ]; then mount -t proc proc "$root/proc"; fi
    exec chroot --userspec="$user" "$root" "$@"
  ' sh "$root" "$user" /usr/bin/env -i -C "$directory" "$@"
}

# ---- the image that FROM names: Debian, Node, npm and the user `node` ----

debian_mirror () {
  apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' 'Label: Debian' | head -n 1
}

make_debian () {
  if [[ -n $cache && -f $cache/trixie.tar ]]; then
    mkdir "$base"
    tar -xf "$cache/trixie.tar" --numeric-owner -C "$base"
    return
  fi
  if ! command -v debootstrap > /dev/null; then
    apt-get update > /dev/null
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends debootstrap > /dev/null
  fi
  [[ -n $mirror ]] || mirror=$(debian_mirror)
  [[ -n $mirror ]] || { apt-get update > /dev/null; mirror=$(debian_mirror); }
  [[ -n $mirror ]] || fail "this machine's apt knows no Debian mirror: give one with --mirror"
  debootstrap --variant=minbase trixie "$base" "$mirror" > debootstrap.log || { tail debootstrap.log >&2; fail 'debootstrap failed'; }
  [[ -z $cache ]] || { mkdir -p "$cache"; tar -cf "$cache/trixie.tar.part" --numeric-owner -C "$base" .; mv "$cache/trixie.tar"{.part,}; }
}

# unpack_package NAME@VERSION DIRECTORY
unpack_package () {
  mkdir -p "$2"
  tar -xzf "$(npm pack --silent "$1")" --strip-components=1 --no-same-owner -C "$2"
}

add_node () {
  local major=$1 platform
  case $(uname -m) in
    x86_64) platform=linux-x64 ;;
    aarch64) platform=linux-arm64 ;;
    *) fail "no Node for $(uname -m) among the npm packages" ;;
  esac
  unpack_package "node-$platform@$major" node
  install -m 755 node/bin/node "$base/usr/local/bin/node"
  # Node 24 comes with npm 11.
  unpack_package npm@11 "$base/usr/local/lib/node_modules/npm"
  chmod 755 "$base"/usr/local/lib/node_modules/npm/bin/*.js
  ln -s ../lib/node_modules/npm/bin/npm-cli.js "$base/usr/local/bin/npm"
  ln -s ../lib/node_modules/npm/bin/npx-cli.js "$base/usr/local/bin/npx"
  (enter "$base" root / PATH=$path useradd --uid 1000 --create-home --shell /bin/bash node)
}

# How this machine reaches the network is lent to the steps, and only to them.
loans=()
lend_network () {
  local name
  cp -L /etc/resolv.conf /etc/hosts "$base/etc/"
  for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY; do
    [[ -z ${!name:-} ]] || loans+=("$name=${!name}")
  done
  loans+=("NPM_CONFIG_REGISTRY=$(npm config get registry)")
  if [[ -f /etc/ssl/certs/ca-certificates.crt ]]; then
    cp -L /etc/ssl/certs/ca-certificates.crt "$base/etc/lent-certificates.crt"
    loans+=(NODE_EXTRA_CA_CERTS=/etc/lent-certificates.crt GIT_SSL_CAINFO=/etc/lent-certificates.crt)
  fi
}

# ---- the Dockerfile ----

# Logical lines: comments gone, continuations joined.
dockerfile_lines () {
  sed -e '/^[[:space:]]*#/d' "$project/Dockerfile" | sed -e ':a' -e '/\\$/{N;s/\\\n//;ba' -e '}' -e '/^[[:space:]]*$/d'
}

# Only what .dockerignore lets through; it is an allow list: `*`, then `!path` lines.
make_context () {
  local line
  mkdir "$context"
  while IFS= read -r line; do
    case $line in
      '' | '#'* | '*') ;;
      '!'*) (cd "$project" && cp -R --parents "${line#!}" "$context") ;;
      *) fail ".dockerignore: cannot follow $line" ;;
    esac
  done < "$project/.dockerignore"
}

# words_of JSON: the strings of an exec form, each ended by a NUL.
words_of () {
  # shellcheck disable=SC2016 # JavaScript
  node -e 'for (const word of JSON.parse(process.argv[1])) process.stdout.write(`${word}\0`)' "$1"
}

declare -A stage_directory=() stage_environment=()
stage='' root='' directory=/ user=root health=() command=()
environment=() arguments=()

begin_stage () {
  local from=$1
  [[ ${2^^} == AS ]] || fail "FROM $*: every stage has a name"
  stage=$3 root=$work/stage-$3 user=root environment=() arguments=() health=() command=()
  step "FROM $*"
  if [[ -n ${stage_directory[$from]:-} ]]; then
    cp -a "$work/stage-$from" "$root"
    directory=${stage_directory[$from]}
    [[ -z ${stage_environment[$from]} ]] || read -ra environment <<< "${stage_environment[$from]}"
  else
    [[ $from =~ ^node:([0-9]+)-trixie-slim$ ]] || fail "FROM $from: this script makes node:<major>-trixie-slim only"
    [[ -d $base ]] || { make_debian; add_node "${BASH_REMATCH[1]}"; lend_network; }
    cp -a "$base" "$root"
    directory=/
  fi
}

end_stage () {
  [[ -n $stage ]] || return 0
  stage_directory[$stage]=$directory
  stage_environment[$stage]=${environment[*]-}
}

copy () {
  local source_root=$context sources destination one
  if [[ $1 == --from=* ]]; then source_root=$work/stage-${1#--from=}; shift; fi
  sources=("${@:1:$#-1}") destination=${!#}
  [[ $destination == /* ]] || destination=$directory/$destination
  for one in "${sources[@]}"; do
    one=$source_root/${one#/}
    if [[ -d $one ]]; then
      mkdir -p "$root$destination"
      cp -R --preserve=mode,links,timestamps "$one/." "$root$destination"
    else
      if [[ $destination == */ ]]; then mkdir -p "$root$destination"; fi
      cp --preserve=mode,timestamps "$one" "$root$destination"
    fi
  done
}

argument () {
  local name=${1%%=*}
  case $name in
    UWS_SOURCE) arguments+=("UWS_SOURCE=$uws_source") ;;
    *) arguments+=("$1") ;;
  esac
}

execute () {
  local instruction=${1%% *} rest=${1#* } words
  read -ra words <<< "$rest"
  [[ $instruction == FROM ]] || echo "-- $1"
  case $instruction in
    FROM) end_stage; begin_stage "${words[@]}" ;;
    WORKDIR) directory=$rest; mkdir -p "$root$directory" ;;
    ENV) [[ $rest != *[\"\'\$]* ]] || fail 'ENV: plain NAME=VALUE words only'; environment+=("${words[@]}") ;;
    ARG) argument "$rest" ;;
    COPY) copy "${words[@]}" ;;
    RUN) (enter "$root" "$user" "$directory" PATH=$path HOME=/root "${loans[@]}" "${arguments[@]}" "${environment[@]}" /bin/sh -c "$rest" < /dev/null) ;;
    USER) user=$rest ;;
    HEALTHCHECK) mapfile -d '' -t health < <(words_of "${rest#*CMD }") ;;
    CMD) mapfile -d '' -t command < <(words_of "$rest") ;;
    EXPOSE) ;;
    STOPSIGNAL) [[ $rest == SIGTERM ]] || fail 'STOPSIGNAL: this script sends SIGTERM' ;;
    *) fail "cannot follow $instruction" ;;
  esac
}

# ---- the result ----

# write_entry FILE COMMAND...: a program that takes settings as NAME=VALUE and runs the command as the image would.
write_entry () {
  local file=$1
  shift
  {
    echo '#!/usr/bin/env bash'
    declare -p isolate
    declare -f enter
    printf 'enter %q %q %q' "$root" "$user" "$directory"
    printf ' %q' "PATH=$path" "HOME=/home/$user" "${environment[@]}"
    printf ' "$@"'
    printf ' %q' "$@"
    echo
  } > "$file"
  chmod 755 "$file"
}

inspect_image () {
  local modules=$root$directory/node_modules binaries
  [[ $user != root ]] || fail 'the image runs as root'
  [[ ! -e $modules/@trufflesuite ]] || fail 'the older binding is in the image'
  [[ ! -e $modules/typescript ]] || fail 'development packages are in the image'
  binaries=$(find "$modules" -name 'uws_*.node' -printf '%f\n')
  [[ $(wc -l <<< "$binaries") == 1 ]] || fail "one native binary was expected, not: $binaries"
  (enter "$root" "$user" "$directory" PATH=$path sh -c '! test -w . && ! test -w dist/main.js') || fail 'the server could rewrite itself'
  node -p 'const p = require(process.argv[1]); `binding: ${p.name}@${p.version}, ${process.argv[2]}`' \
    "$modules/uWebSockets.js/package.json" "$binaries"
  du -sh "$root$directory" | sed 's/\t.*/ in the application directory/'
}

if [[ -z $uws_source ]]; then
  uws_source=registry
  # shellcheck disable=SC2016 # JavaScript
  if node -e 'fetch("https://github.com", { method: "HEAD", signal: AbortSignal.timeout(5000) }).catch(() => process.exit(1))'; then
    uws_source=github
  fi
fi
step "UWS_SOURCE=$uws_source"
make_context
while IFS= read -r line; do execute "$line"; done < <(dockerfile_lines)

step 'the image'
inspect_image
step 'the server'
write_entry start "${command[@]}"
write_entry health "${health[@]}"
"$base/usr/local/bin/node" "$project/scripts/check-image-server.js" "$work/start" "$work/health"
step 'the image is good'
