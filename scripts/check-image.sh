#!/usr/bin/env bash
# Checks the Dockerfile where there is no Docker engine: makes what its FROM names, Debian 13 with Node (image-root.sh), runs
# the Dockerfile's own steps there, and starts the result as its user, as PID 1. Run as root on Debian or one of its kin.
set -euo pipefail
# shellcheck source=scripts/image-root.sh
source "$(dirname "${BASH_SOURCE[0]}")/image-root.sh"

usage () {
  cat <<'TEXT'
usage: scripts/check-image.sh [--uws-source github|registry] [--mirror URL]
  --uws-source  the build argument UWS_SOURCE; without it: the Dockerfile's own
  --mirror      Debian mirror for a root that is still to be made; without it: the one that this machine's apt uses
TEXT
}

step () {
  printf '\n== %s\n' "$*"
}

uws_source='' mirror=''
while (( $# > 0 )); do
  case $1 in
    --uws-source) uws_source=${2:?}; shift 2 ;;
    --mirror) mirror=${2:?}; shift 2 ;;
    --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
done

work=$(mktemp -d "${TMPDIR:-/tmp}/check-image.XXXXXX")
# Mounts are made in namespaces that end with their processes: none can be left for rm to walk into.
trap 'rm -rf --one-file-system "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"

(( EUID == 0 )) || fail 'run this as root: debootstrap and chroot need it'
base=$work/base context=$work/context
(( ${#isolate[@]} > 0 )) || note 'namespaces are not allowed here: the server will not be PID 1, and /proc will be empty'

# make_base RELEASE: what FROM names, Debian with that Node and the user `node`.
make_base () {
  local debian node
  debian=$(debian_root)
  node=$(node_layer "$1")
  mkdir "$base"
  cp -a "$debian/." "$base"
  cp -a "$node/." "$base"
  # How this machine reaches the network is lent to the steps, and only to them.
  lend_network "$base"
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
    [[ $from == "node:$(image_node)-$suite-slim"* ]] || fail "FROM $from: this script makes node:<exact release>-$suite-slim only"
    if [[ ! -d $base ]]; then make_base "$(image_node)"; fi
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
    UWS_SOURCE) arguments+=("UWS_SOURCE=${uws_source:-${1#*=}}") ;;
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
  # shellcheck disable=SC2016 # JavaScript
  node -p 'const p = require(process.argv[1]); `binding: ${p.name}@${p.version}, ${process.argv[2]}`' \
    "$modules/uWebSockets.js/package.json" "$binaries"
  du -sh "$root$directory" | sed 's/\t.*/ in the application directory/'
}

make_context
while IFS= read -r line; do execute "$line"; done < <(dockerfile_lines)

step 'the image'
inspect_image
step 'the server'
write_entry start "${command[@]}"
write_entry health "${health[@]}"
"$base/usr/local/bin/node" "$project/scripts/check-image-server.js" "$work/start" "$work/health"
step 'the image is good'
