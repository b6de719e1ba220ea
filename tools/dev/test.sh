# shellcheck shell=bash
source tools/dev/fuzz.sh
source tools/dev/lint.sh
source tools/dev/servers.sh

# test [--ci | --full]. A part that fails does not keep the others from running; the last line is
# "N passed, N failed, N skipped".
dev_test() {
  local tier
  case "${1:-}" in
    "") tier=quick ;;
    --ci) tier=ci ;;
    --full) tier=full ;;
    *) die "test: unknown argument '$1'" ;;
  esac
  need build test
  # Where it fails, the tests that want a server fail by name.
  # shellcheck disable=SC2119
  (dev_servers) || true
  mkdir -p build
  results_file=$(mktemp)
  # Expanded now: the function's variables are gone when the trap runs.
  # shellcheck disable=SC2064
  trap "rm -f '$results_file'" EXIT
  sanitizer_options
  "tier_$tier" || true
  python3 -B tools/dev/results.py summary "$results_file"
}

tier_quick() {
  test_preset release quick
}

tier_ci() {
  built_meanwhile=asan test_preset release ci
  test_preset asan quick
  test_preset tsan quick forebay_io_tests
  # In a subshell, as these may leave by `die`.
  (dev_fuzz ci) || true
  (dev_lint) || true
  run_docs
}

tier_full() {
  test_preset release full
  check "S3 clients on a cell" s3_clients_on_a_cell || true
  check "Spark on a cell" spark_on_a_cell || true
  test_preset asan ci
  test_preset tsan ci forebay_io_tests
  (dev_fuzz 1800) || true
  (dev_lint all) || true
  run_docs
}

s3_clients_on_a_cell() {
  (s3_clients) || return 1
  python3 -B src/app/s3_clients_test.py build/release/src/app/forebay "$servers_folder" Clients -v
}

spark_on_a_cell() {
  (spark_server) || return 1
  FOREBAY_TEST_TIER=full python3 -B src/app/spark_test.py build/release/src/app/forebay \
    "$servers_folder" -v
}

sanitizer_options() {
  local symbolizer
  symbolizer=$(command -v llvm-symbolizer-19)
  export ASAN_OPTIONS="external_symbolizer_path=$symbolizer:strict_string_checks=1"
  export TSAN_OPTIONS="external_symbolizer_path=$symbolizer:halt_on_error=1"
  export UBSAN_OPTIONS="external_symbolizer_path=$symbolizer:print_stacktrace=1"
}

# test_preset PRESET TIER [TARGET...]: all, or what the targets are of it. The tests wait for real
# servers and clocks for much of their time: $built_meanwhile is built in what they leave.
test_preset() {
  local preset=$1 tier=$2
  shift 2
  check "build $preset" build_preset "$preset" "$@" || return 0
  if [[ -n ${built_meanwhile:-} ]]; then build_aside "$built_meanwhile" & fi
  run_ctest "$preset" "build/$preset" "$tier"
  io_tests_as_user "$preset" "$tier"
  wait
}

# Whatever fails here fails again, and is told, when it is built for its own tests.
build_aside() {
  renice -n 19 -p "$BASHPID" >/dev/null
  build_preset "$1" >"$(log_of "build-$1-aside")" 2>&1 || true
}

# run_ctest NAME FOLDER TIER [COMMAND...]: runs the tests of a build folder, through COMMAND, and
# records each of them.
run_ctest() {
  local name=$1 folder=$2 tier=$3 start=$SECONDS junit log
  shift 3
  junit=$folder/junit.xml
  log=$(log_of "test-${name//[^a-z0-9]/-}")
  rm -f "$junit"
  say "== $name: tests ($tier)"
  # Starting real servers tells sanitizers nothing and takes long; nor does the simulator, which is
  # one thread, tell anything of threads.
  local which=()
  case "$name" in
    asan) which=(-LE servers) ;;
    tsan) which=(-L io) ;;
  esac
  "$@" env FOREBAY_TEST_TIER="$tier" ctest --test-dir "$folder" -j "$(nproc)" "${which[@]}" \
    --timeout "$(test_timeout "$tier")" --output-on-failure --no-tests=error \
    --test-output-size-passed 1000000 --output-junit "$(realpath "$folder")/junit.xml" 2>&1 |
    tee "$log" | grep -vE '^ +Start |\.\.\. +Passed |^$' >&2 || true
  if ! python3 -B tools/dev/results.py junit "$name" "$junit" >>"$results_file"; then
    record failed "$name" "ctest did not finish; see $log"
  fi
  say "$name: tests took $((SECONDS - start)) s"
}

# Seconds that one test may take.
test_timeout() {
  case "$1" in
    quick) echo 120 ;;
    ci) echo 400 ;;
    full) echo 14400 ;;
  esac
}

# Runs the tests labelled `io` once more, as an ordinary user who may lock 8 MiB of memory.
io_tests_as_user() {
  local preset=$1 tier=$2 name="$1 as an ordinary user" copy
  [[ $tier != quick || $preset != release ]] || return 0
  if ! grep -q . "build/$preset/io_tests.txt"; then
    record skipped "$name" "no test carries the label io"
    return
  fi
  if [[ $EUID -ne 0 ]]; then
    run_ctest "$name" "build/$preset" "$tier" with_little_memory bash -c '"$@" -L io' _
    record skipped "$preset as root" "this is not root"
    return
  fi
  copy=$(copy_io_tests "$preset")
  run_ctest "$name" "$copy" "$tier" as_nobody "$copy"
  rm -rf "$copy"
}

# The ordinary user may not be able to enter the checkout, nor ctest to write there: the programs
# and ctest's lists move to a folder of his own. Prints that folder.
copy_io_tests() {
  local preset=$1 copy program
  copy=$(mktemp -d)
  (
    cd "build/$preset" || exit
    find . \( -name CTestTestfile.cmake -o -name '*_include.cmake' -o -name '*_tests.cmake' \) \
      -exec cp -p --parents {} "$copy" \;
    find "$copy" -name '*.cmake' -exec sed -i "s|$PWD|$copy|g" {} +
    while read -r program; do cp -p --parents "${program#"$PWD"/}" "$copy"; done <io_tests.txt
  )
  mkdir "$copy/tmp"
  chown -R 65534:65534 "$copy"
  printf '%s' "$copy"
}

with_little_memory() (
  ulimit -l 8192
  "$@"
)

# as_nobody FOLDER COMMAND...: FOLDER is all that this user owns.
as_nobody() (
  local folder=$1
  shift
  cd "$folder" || exit
  ulimit -l 8192
  HOME=$folder TMPDIR=$folder/tmp setpriv --reuid=65534 --regid=65534 --clear-groups "$@" -L io
)

run_docs() {
  say "== command blocks of the docs"
  python3 -B tools/run_docs --results "$results_file" || true
}
