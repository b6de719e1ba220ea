# shellcheck shell=bash

dev_bench() {
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
