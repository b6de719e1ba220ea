# shellcheck shell=bash

# What anybody may send who reaches a port or writes a configuration.
readonly strangers_fuzzers=" aws_chunks_fuzz config_fuzz frame_fuzz http_request_fuzz \
 s3_claim_fuzz s3_request_fuzz "

# fuzz [SECONDS [NAME]]: as many at a time as there are cores. "ci" for SECONDS: a minute for what
# strangers send, less for what stores and files say.
dev_fuzz() {
  local seconds=${1:-60} only=${2:-} program each failed=0 programs=()
  [[ $seconds =~ ^[0-9]+$ || $seconds == ci ]] ||
    die "fuzz: '$seconds' is not a number of seconds"
  need build
  check "build fuzzers" build_preset asan forebay_fuzzers || return 1
  while read -r program; do
    [[ -n $program && (-z $only || $(basename "$program") == "$only") ]] || continue
    programs+=("$program")
  done <build/asan/fuzzers.txt
  [[ ${#programs[@]} -gt 0 ]] || die "fuzz: no fuzzer ${only:+named }$only"
  for program in "${programs[@]}"; do
    while [[ $(jobs -rp | wc -l) -ge $(nproc) ]]; do wait -n || failed=1; done
    each=$seconds
    if [[ $seconds == ci ]]; then
      each=20
      [[ $strangers_fuzzers != *" $(basename "$program") "* ]] || each=60
    fi
    check "fuzz $(basename "$program") for $each s" run_fuzzer "$program" "$each" &
  done
  while [[ -n $(jobs -rp) ]]; do wait -n || failed=1; done
  # Those that ended between two looks.
  wait -n 2>/dev/null || true
  return "$failed"
}

# What is found goes to build/fuzz; what is worth keeping is copied to fuzz/corpus/NAME by hand.
run_fuzzer() {
  local program=$1 seconds=$2 name
  name=$(basename "$program")
  local log
  log=$(log_of "fuzz-$name")
  local corpus="build/fuzz/corpus/$name" kept="fuzz/corpus/$name" artifacts="build/fuzz/artifacts/"
  mkdir -p "$corpus" "$artifacts"
  local folders=("$corpus")
  [[ ! -d $kept ]] || folders+=("$kept")
  ASAN_SYMBOLIZER_PATH=$(command -v llvm-symbolizer-19) "$program" -max_total_time="$seconds" \
    -rss_limit_mb=2048 -timeout=10 -verbosity=0 -print_final_stats=1 \
    -artifact_prefix="$artifacts$name-" "${folders[@]}" >"$log" 2>&1 || {
    cat "$log" >&2
    return 1
  }
}
