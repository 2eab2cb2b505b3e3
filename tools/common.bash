# What the tools share: finding the compiler, installing packages, building. Sourced, with $top set.

say() { printf '%s\n' "$*" >&2; }
fail() {
  say "$(basename "$0"): $*"
  exit 1
}

# A Swift toolchain is the one thing that no package manager brings.
require_swift() {
  command -v swift > /dev/null && return
  fail "no 'swift' in PATH; install a Swift 6.3 toolchain: https://www.swift.org/install/linux/"
}

# require_packages WHY PACKAGE…: installs what dpkg does not list as installed.
require_packages() {
  local why=$1 package missing=()
  shift
  if ! command -v dpkg-query > /dev/null; then
    say "This is not a Debian-like system; these packages or their like must be there: $*"
    return
  fi
  for package in "$@"; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2> /dev/null) == installed ]] \
      || missing+=("$package")
  done
  ((${#missing[@]})) || return 0
  command -v apt-get > /dev/null || fail "$why; please install: ${missing[*]}"
  local as_root=()
  if ((EUID != 0)); then
    command -v sudo > /dev/null \
      || fail "$why; without sudo, please run as root: apt-get install ${missing[*]}"
    as_root=(sudo)
  fi
  say "Installing ${missing[*]}: $why."
  ((${#as_root[@]})) && say "(sudo may ask for your password.)"
  local log
  log=$(mktemp)
  if ! { "${as_root[@]}" apt-get update \
    && "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
      apt-get install -y --no-install-recommends "${missing[@]}"; } > "$log" 2>&1 < /dev/null; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    fail "apt-get could not install: ${missing[*]}"
  fi
  rm -f "$log"
}

# build_release PRODUCT…: both commands if none is named. Swift's own library is linked into them:
# they run where there is no toolchain, and calls into it are direct. On a terminal the compiler
# shows its progress; elsewhere only errors are printed.
build_release() {
  local product log options=(-c release --static-swift-stdlib)
  (($#)) || set -- ring3d ring3ctl
  for product in "$@"; do
    say "Building $product for release …"
    if [[ -t 2 ]]; then
      swift build --package-path "$top" "${options[@]}" --product "$product" >&2
      continue
    fi
    log=$(mktemp)
    if ! swift build --package-path "$top" "${options[@]}" --product "$product" > "$log" 2>&1; then
      grep -E -A 3 'error:' "$log" >&2 || tail -n 30 "$log" >&2
      rm -f "$log"
      fail "$product does not build"
    fi
    rm -f "$log"
  done
}

# shared_memory PID: the objects in /dev/shm that a server of ours has mapped.
shared_memory() {
  sed -n 's|.* \(/dev/shm/ring3[^ ]*\).*|\1|p' "/proc/$1/maps" 2> /dev/null | sort -u || true
}

# free_port: a port of 127.0.0.1 that refuses connections at the moment.
free_port() {
  local port
  while :; do
    port=$((20000 + RANDOM % 12000))
    (exec 3<> "/dev/tcp/127.0.0.1/$port") 2> /dev/null || {
      printf '%s' "$port"
      return
    }
  done
}

# start_ring3 DIRECTORY [COMMAND…]: starts the server with DIRECTORY/ring3.conf, through COMMAND
# (taskset …) if one is given, waits until it serves, and sets ring3_pid. The configuration keeps
# its control socket in DIRECTORY/ring3d.sock.
start_ring3() {
  local directory=$1
  shift
  "$@" "$top/.build/release/ring3d" --foreground -c "$directory/ring3.conf" \
    > "$directory/output" 2>&1 < /dev/null &
  ring3_pid=$!
  for _ in {1..200}; do
    ring3_status "$directory" > "$directory/status" 2>&1 && return
    kill -0 "$ring3_pid" 2> /dev/null || break
    sleep 0.1
  done
  cat "$directory/output" "$directory/status" "$directory/error.log" >&2 2> /dev/null || true
  fail "ring3d did not start"
}

# ring3_status DIRECTORY [ARGUMENT…]: asks the server started there.
ring3_status() {
  local directory=$1
  shift
  "$top/.build/release/ring3ctl" --socket "$directory/ring3d.sock" status "$@"
}

# stop_process PID: TERM, KILL after five seconds; true if TERM was enough.
stop_process() {
  kill -TERM "$1" 2> /dev/null || return 0
  for _ in {1..50}; do
    kill -0 "$1" 2> /dev/null || return 0
    sleep 0.1
  done
  kill -KILL "$1" 2> /dev/null || true
  return 1
}
