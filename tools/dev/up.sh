# shellcheck shell=bash

# up [ORIGIN] [--demo] [--FLAG-OF-THE-NODE VALUE...]: a node in front of ORIGIN, a folder or a URL;
# without one, in front of a data set that it makes. Stays until Ctrl-C and leaves nothing behind.
# --demo reads everything through every door instead, prints a table and ends.
dev_up() {
  local demo="" origin="" node_flags=()
  while [[ $# -gt 0 ]]; do
    case "$1" in
      --demo) demo=1 ;;
      --*)
        [[ $# -ge 2 ]] || die "up: $1 wants a value, which goes to the node with it"
        node_flags+=("$1" "$2")
        shift
        ;;
      *)
        [[ -z $origin ]] || die "up: one ORIGIN, not '$origin' and '$1'"
        origin=$1
        ;;
    esac
    shift
  done
  need build
  build_preset release forebay || die "up: the build failed"
  program=$PWD/build/release/src/app/forebay
  up_folder=$(mktemp -d "${TMPDIR:-/tmp}/forebay-up.XXXXXX")
  trap up_end EXIT
  trap 'exit 130' INT TERM
  if [[ -z $origin ]]; then
    name=/demo origin=$up_folder/data
    make_data_set "$origin"
  else
    name=/data
    [[ $origin == *://* ]] || origin=$(cd "${invoked_from:?}" && realpath -e -- "$origin") ||
      die "up: no folder '$origin'"
  fi
  start_node "${node_flags[@]}"
  "$program" attach "$name" "$origin" >&2 || die "up: $origin cannot be attached"
  if [[ -n $demo ]]; then
    show_demo
  else
    show_doors
    wait "$node_pid"
  fi
}

node_pid="" up_folder="" program="" name="" unix_door="" tcp_door="" http_door=""

# What was started ends, what was made goes.
up_end() {
  if [[ -n $node_pid ]]; then
    kill "$node_pid" 2>/dev/null || true
    wait "$node_pid" 2>/dev/null || true
  fi
  [[ -z $up_folder ]] || rm -rf "$up_folder"
}

# free_port PORT: PORT, or 0 (any) where somebody listens there.
free_port() {
  if (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; then echo 0; else echo "$1"; fi
}

# start_node [FLAG VALUE]...: starts it and waits for the line that says where its doors are.
start_node() {
  local line
  mkfifo "$up_folder/said"
  # In a session of its own: Ctrl-C would reach it together with us, and `up_end` would be its
  # second signal, which ends it at once.
  setsid "$program" node --data "$up_folder/node" --socket "$up_folder/forebay.sock" \
    --listen "127.0.0.1:$(free_port 7400)" --http "127.0.0.1:$(free_port 7490)" \
    --disk 512MiB "$@" >"$up_folder/said" &
  node_pid=$!
  read -r line <"$up_folder/said" || die "up: the node did not start"
  [[ $line == "ready: "* ]] || die "up: the node said '$line'"
  for door in ${line#ready: }; do
    case "$door" in
      unix:*) unix_door=$door ;;
      tcp:*) tcp_door=${door#tcp:} ;;
      http:*) http_door=${door#http:} ;;
    esac
  done
  export FOREBAY_NODE=$unix_door
}

# make_data_set FOLDER: some 200 MiB that are the same every time: large objects, many small ones,
# and the sizes at which mistakes are made.
make_data_set() {
  local i
  say "making a data set in $1"
  mkdir -p "$1/large" "$1/small" "$1/odd"
  for i in 1 2 3 4; do numbers "${i}00000000" $((40 << 20)) >"$1/large/$i.bin"; done
  for i in {1..300}; do numbers "$((i * 1000000))" $((100 << 10)) >"$1/small/$i.bin"; done
  for i in 0 1 4095 4096 4097 1048575 1048576 1048577; do numbers 7 "$i" >"$1/odd/$i.bin"; done
}

# numbers FIRST BYTES: FIRST, the next number, and so on.
numbers() {
  seq "$1" "$(($1 + $2 / 2 + 1))" 2>/dev/null | head -c "$2" || true
}

show_demo() {
  [[ $origin != *://* ]] || die "up: --demo compares with files; give it a folder"
  "$program" demo "$name" "$origin" --tcp "$tcp_door"
}

show_doors() {
  cat <<DOORS

A node is up in front of $origin, as $name.

  this machine   $unix_door
  TCP            $tcp_door   (from this machine only: it has no tokens)
  HTTP           http://$http_door/   metrics, health, status

What to try next, in another terminal:

  export FOREBAY_NODE=$unix_door
  PATH=\$PATH:$(dirname "$program")
  forebay ls $name/
  forebay load $name/
  forebay ls -r $name/ | head -1 | xargs forebay bench
  forebay status
  curl http://$http_door/metrics

Ctrl-C stops it and removes $up_folder.
DOORS
}
