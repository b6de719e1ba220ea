# shellcheck shell=bash

# What 8 nodes and an etcd show, which are processes of their own.
bench_cell() {
  need build test
  build_preset release forebay forebay_next forebay_shared
  local built=$PWD/build/release/src
  python3 -B src/app/cells/rows.py "$built/app/forebay" "$built/client/abi/libforebay.so" \
    --next "$built/app/forebay_next" "$@"
}

dev_bench() {
  if [[ ${1:-} == cell ]]; then
    bench_cell "${@:2}"
    return
  fi
  need build bench
  # shellcheck source=/dev/null
  source tools/dev/servers.sh
  bench_servers
  build_preset release forebay_bench
  local program=$PWD/build/release/bench/forebay_bench
  # Public traces are no part of the repository; they lie beside it unless this says otherwise.
  export FOREBAY_TRACES=${FOREBAY_TRACES:-$PWD/../shared/traces}
  (cd "${invoked_from:?}" && "$program" "$@")
}
