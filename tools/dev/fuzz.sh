# shellcheck shell=bash

# fuzz [SECONDS [NAME]]
dev_fuzz() {
  local seconds=${1:-60} only=${2:-} program failed=0 found=0
  [[ $seconds =~ ^[0-9]+$ ]] || die "fuzz: '$seconds' is not a number of seconds"
  need build
  check "build fuzz" build_preset fuzz forebay_fuzzers || return 1
  while read -r program; do
    [[ -n $program && (-z $only || $(basename "$program") == "$only") ]] || continue
    found=1
    check "fuzz $(basename "$program") for $seconds s" run_fuzzer "$program" "$seconds" || failed=1
  done <build/fuzz/fuzzers.txt
  [[ $found -eq 1 ]] || die "fuzz: no fuzzer ${only:+named }$only"
  return "$failed"
}

# What is found goes to build/fuzz; what is worth keeping is copied to fuzz/corpus/NAME by hand.
run_fuzzer() {
  local program=$1 seconds=$2 name
  name=$(basename "$program")
  local corpus="build/fuzz/corpus/$name" kept="fuzz/corpus/$name" artifacts="build/fuzz/artifacts/"
  mkdir -p "$corpus" "$artifacts"
  local folders=("$corpus")
  [[ ! -d $kept ]] || folders+=("$kept")
  ASAN_SYMBOLIZER_PATH=$(command -v llvm-symbolizer-19) "$program" -max_total_time="$seconds" \
    -rss_limit_mb=2048 -timeout=10 -verbosity=0 -print_final_stats=1 \
    -artifact_prefix="$artifacts$name-" "${folders[@]}" >&2
}
