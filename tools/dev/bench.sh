# shellcheck shell=bash

dev_bench() {
  need build bench
  build_preset release forebay_bench
  # Public traces are no part of the repository; they lie beside it unless this says otherwise.
  FOREBAY_TRACES=${FOREBAY_TRACES:-../shared/traces} build/release/bench/forebay_bench "$@"
}
