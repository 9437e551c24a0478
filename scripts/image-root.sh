# shellcheck shell=bash
# The image's platform without a container engine: Debian 13 by debootstrap, Node and npm from their npm packages.
# Sourced by in-image.sh and check-image.sh. Needs root on Debian or one of its kin, and node, npm, tar, flock, unshare.
# What is made is kept in the cache and never changed afterwards; it is made again when its recipe or a version changes.

# A failure inside $(…) is a failure.
shopt -s inherit_errexit

suite=trixie
project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/portcullis
path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

fail () {
  echo "$(basename "$0" .sh): $*" >&2
  exit 1
}

# note TEXT: what goes on, beside the output of a command that somebody may read.
note () {
  echo "$(basename "$0" .sh): $*" >&2
}

# Mounts and processes of a namespace end with its first process: nothing is left for anybody to clean up.
isolate=()
if unshare --mount --pid --fork true 2> /dev/null; then
  isolate=(unshare --mount --pid --fork --kill-child)
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
  ' sh "$root" "$user" /usr/bin/env --default-signal=INT,QUIT -i -C "$directory" "$@"
}

# ---- the cache ----

# key_of WORD...: a name for what these words lead to on this kind of processor. A recipe is told by `declare -f`.
key_of () {
  printf '%s\n' "$(uname -m)" "$@" | sha256sum | cut -c 1-16
}

# make_once PLACE COMMAND...: has the command fill a new directory, its last argument, which is put in place when it is
# whole. One process makes it, others wait. What a process that died left half made is thrown away.
make_once () {
  local place=$1 lock
  shift
  mkdir -p "$cache"
  if [[ ! -d $place ]]; then
    exec {lock}> "$place.lock"
    flock --nonblock "$lock" || { note "another process makes $place: waiting for it"; flock "$lock"; }
    if [[ ! -d $place ]]; then
      rm -rf --one-file-system "$place.part"
      mkdir "$place.part"
      "$@" "$place.part"
      mv "$place.part" "$place"
    fi
    exec {lock}>&-
  fi
  touch "$place.lock"
}

# What nobody has used for a month was made by an older version of this file, or for a Node of former days.
forget_unused () {
  local lock
  while IFS= read -r -d '' lock; do
    rm -rf --one-file-system "${lock%.lock}" "$lock"
  done < <(find "$cache" -maxdepth 1 -name '*.lock' -mtime +30 -print0)
}

# ---- Debian ----

debian_mirror () {
  # shellcheck disable=SC2016 # apt expands it
  apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' 'Label: Debian' | head -n 1
}

# fill_debian DIRECTORY: the smallest Debian, with the user `node` as the official images have it.
fill_debian () {
  local root=$1 url=${mirror:-}
  if ! command -v debootstrap > /dev/null; then
    note 'installing debootstrap'
    apt-get update > /dev/null
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends debootstrap > /dev/null
  fi
  [[ -n $url ]] || url=$(debian_mirror)
  [[ -n $url ]] || { apt-get update > /dev/null; url=$(debian_mirror); }
  [[ -n $url ]] || fail "this machine's apt knows no Debian mirror: give one with --mirror"
  note "making Debian $suite (once)"
  "${isolate[@]}" debootstrap --variant=minbase "$suite" "$root" "$url" > "$root.log" ||
    { tail "$root.log" >&2; fail 'debootstrap failed'; }
  rm -f "$root.log" "$root"/var/cache/apt/archives/*.deb
  # Nobody needs this root after a power cut: dpkg need not wait for the disk.
  echo force-unsafe-io > "$root/etc/dpkg/dpkg.cfg.d/unsafe-io"
  # An installed server must not be started.
  printf '#!/bin/sh\nexit 101\n' > "$root/usr/sbin/policy-rc.d"
  chmod 755 "$root/usr/sbin/policy-rc.d"
  (enter "$root" root / PATH=$path useradd --uid 1000 --create-home --shell /bin/bash node)
}

# Prints the directory of the plain Debian root.
debian_root () {
  local place
  place=$cache/debian-$(key_of "$suite" "$(declare -f fill_debian)")
  make_once "$place" fill_debian
  echo "$place"
}

# fill_servers PACKAGES DIRECTORY
fill_servers () {
  local packages root=$2 debian
  read -ra packages <<< "$1"
  debian=$(debian_root)
  cp -a "$debian/." "$root"
  lend_network "$root"
  note "installing what the tests need there (once): ${packages[*]}"
  (
    enter "$root" root / PATH=$path DEBIAN_FRONTEND=noninteractive "${loans[@]}" sh -euc '
      apt-get update
      # Debian would make and keep a database of its own.
      mkdir -p /etc/postgresql-common
      echo "create_main_cluster = false" > /etc/postgresql-common/createcluster.conf
      apt-get install -y --no-install-recommends "$@"
      apt-get clean
    ' sh "${packages[@]}"
  ) < /dev/null > "$root.log" 2>&1 || { tail "$root.log" >&2; fail 'apt-get failed'; }
  rm -f "$root.log"
}

# Prints the directory of the Debian root that has the tests' servers and tools.
servers_root () {
  local place packages
  packages="$(node "$project/scripts/ensure-server.js" --packages) ca-certificates curl git openssl procps"
  place=$cache/servers-$(key_of "$suite" "$packages" "$(declare -f fill_debian fill_servers)")
  make_once "$place" fill_servers "$packages"
  echo "$place"
}

# ---- Node ----

# The exact release that the image has.
image_node () {
  sed -nE "s/^FROM node:([0-9.]+)-$suite-slim(@sha256:[0-9a-f]+)? AS .*/\1/p" "$project/Dockerfile"
}

# node_release MAJOR: the exact release of it that the project is tested on.
node_release () {
  local release
  release=$(image_node)
  case $1 in
    "${release%%.*}") echo "$release" ;;
    22) echo 22.23.3 ;;
    *) fail "no Node $1: 22, or ${release%%.*} as in the image" ;;
  esac
}

# unpack_package NAME@VERSION DIRECTORY
unpack_package () {
  local packed file
  packed=$(mktemp -d "$cache/packed.XXXXXX")
  mkdir -p "$2"
  file=$(cd "$packed" && npm pack --silent "$1")
  tar -xzf "$packed/$file" --strip-components=1 --no-same-owner -C "$2"
  rm -r "$packed"
}

# fill_node RELEASE DIRECTORY: Node and its npm as a layer for a root.
fill_node () {
  local release=$1 local_directory=$2/usr/local platform npm
  case $(uname -m) in
    x86_64) platform=linux-x64 ;;
    aarch64) platform=linux-arm64 ;;
    *) fail "no Node for $(uname -m) among the npm packages" ;;
  esac
  # The npm that comes with it.
  case ${release%%.*} in
    22) npm=10 ;;
    *) npm=11 ;;
  esac
  note "fetching Node $release (once)"
  unpack_package "node-$platform@$release" "$2/node"
  mkdir -p "$local_directory/bin"
  mv "$2/node/bin/node" "$local_directory/bin/node"
  rm -r "$2/node"
  chmod 755 "$local_directory/bin/node"
  unpack_package "npm@$npm" "$local_directory/lib/node_modules/npm"
  chmod 755 "$local_directory"/lib/node_modules/npm/bin/*.js
  ln -s ../lib/node_modules/npm/bin/npm-cli.js "$local_directory/bin/npm"
  ln -s ../lib/node_modules/npm/bin/npx-cli.js "$local_directory/bin/npx"
}

# node_layer RELEASE: prints the directory whose `usr/local` has that Node.
node_layer () {
  local place
  place=$cache/node-$1-$(key_of "$(declare -f fill_node)")
  make_once "$place" fill_node "$1"
  echo "$place"
}

# ---- the network ----

# lend_network ROOT: how this machine reaches the network is lent to steps in the root: files there, variables in `loans`.
loans=()
lend_network () {
  local root=$1 name
  loans=()
  cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
  for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY; do
    [[ -z ${!name:-} ]] || loans+=("$name=${!name}")
  done
  loans+=("NPM_CONFIG_REGISTRY=$(npm config get registry)")
  if [[ -f /etc/ssl/certs/ca-certificates.crt ]]; then
    cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/lent-certificates.crt"
    loans+=(NODE_EXTRA_CA_CERTS=/etc/lent-certificates.crt GIT_SSL_CAINFO=/etc/lent-certificates.crt)
  fi
}
