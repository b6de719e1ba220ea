# shellcheck shell=bash

readonly cell_nodes_default=3
readonly cell_nodes_most=32

# cell [N] [ORIGIN] [--FLAG-OF-A-NODE VALUE...]: etcd and N nodes on this machine as one cache in
# front of ORIGIN, a folder or a URL; without one, in front of a data set that it makes. Stays until
# Ctrl-C and leaves nothing behind.
dev_cell() {
  local count="" origin="" node_flags=()
  while [[ $# -gt 0 ]]; do
    case "$1" in
      --*)
        [[ $# -ge 2 ]] || die "cell: $1 wants a value, which goes to the nodes with it"
        node_flags+=("$1" "$2")
        shift
        ;;
      *)
        if [[ -z $count && $1 =~ ^[0-9]+$ ]]; then
          count=$1
        else
          [[ -z $origin ]] || die "cell: one ORIGIN, not '$origin' and '$1'"
          origin=$1
        fi
        ;;
    esac
    shift
  done
  count=${count:-$cell_nodes_default}
  ((count >= 1 && count <= cell_nodes_most)) || die "cell: 1 to $cell_nodes_most nodes"
  need build test
  build_preset release forebay || die "cell: the build failed"
  program=$PWD/build/release/src/app/forebay
  cell_folder=$(mktemp -d "${TMPDIR:-/tmp}/forebay-cell.XXXXXX")
  trap cell_end EXIT
  trap 'exit 130' INT TERM
  if [[ -z $origin ]]; then
    origin=$cell_folder/data
    mkdir "$origin"
    for i in $(seq 8); do head -c 32M /dev/urandom >"$origin/$i.bin"; done
  elif [[ $origin != *://* ]]; then
    origin=$(cd "${invoked_from:?}" && realpath -e -- "$origin") || die "cell: no folder '$origin'"
  fi
  start_etcd
  for i in $(seq "$count"); do start_cell_node "$i" "${node_flags[@]}"; done
  "$program" attach /data "$origin" --node "unix:$cell_folder/n1.sock" >&2 ||
    die "cell: $origin cannot be attached"
  show_cell "$count"
  wait "$etcd_pid"
}

cell_pids=() cell_folder="" program="" etcd_pid="" etcd_address=""

# What was started ends, what was made goes.
cell_end() {
  # The nodes first: they give their leases back.
  [[ ${#cell_pids[@]} -eq 0 ]] || kill "${cell_pids[@]}" 2>/dev/null || true
  for pid in "${cell_pids[@]}"; do wait "$pid" 2>/dev/null || true; done
  if [[ -n $etcd_pid ]]; then
    kill "$etcd_pid" 2>/dev/null || true
    wait "$etcd_pid" 2>/dev/null || true
  fi
  [[ -z $cell_folder ]] || rm -rf "$cell_folder"
}

# Two ports that nobody has now.
two_ports() {
  python3 -c 'import socket
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*[s.getsockname()[1] for s in sockets])'
}

start_etcd() {
  local client peer
  read -r client peer < <(two_ports)
  etcd_address=127.0.0.1:$client
  ETCD_UNSUPPORTED_ARCH=$(uname -m) setsid etcd --data-dir "$cell_folder/etcd" \
    --listen-client-urls "http://$etcd_address" --advertise-client-urls "http://$etcd_address" \
    --listen-peer-urls "http://127.0.0.1:$peer" >"$cell_folder/etcd.log" 2>&1 &
  etcd_pid=$!
  openssl rand -hex 32 >"$cell_folder/secret"
}

# start_cell_node NUMBER [FLAG VALUE]...: returns when it has joined.
start_cell_node() {
  local number=$1 line
  shift
  mkfifo "$cell_folder/said$number"
  setsid "$program" node --cell "etcd://$etcd_address/play" --name "n$number" \
    --cell-secret-file "$cell_folder/secret" --data "$cell_folder/n$number" \
    --socket "$cell_folder/n$number.sock" --listen 127.0.0.1:0 --http 127.0.0.1:0 \
    --dram 256MiB --disk 256MiB "$@" >"$cell_folder/said$number" 2>"$cell_folder/n$number.log" &
  cell_pids+=($!)
  read -r line <"$cell_folder/said$number" || true
  [[ $line == "ready: "* ]] || {
    cat "$cell_folder/n$number.log" >&2
    die "cell: node n$number did not start"
  }
}

show_cell() {
  local count=$1
  cat >&2 <<SHOWN

$count nodes are one cache now; each has a socket of its own. In another terminal:

  export PATH=${program%/*}:\$PATH
  cd $cell_folder
  forebay ls /data/ --node unix:\$PWD/n1.sock
  forebay cat /data/1.bin --node unix:\$PWD/n$count.sock | wc -c
  forebay load /data/ --node unix:\$PWD/n1.sock       # each node fetches what it owns
  forebay where /data/1.bin --node unix:\$PWD/n1.sock
  forebay top --node unix:\$PWD/n1.sock

and to break it:

  kill -9 ${cell_pids[0]}      # node n1 dies: the others go on, and leave it out within 20 s
  kill -STOP ${cell_pids[0]}   # it hangs: its peers ask the next one within a second
  kill -STOP $etcd_pid   # the registry hangs: reading goes on with the last map
  tail -f n1.log

Ctrl-C ends all of it.
SHOWN
}
