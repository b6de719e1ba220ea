# shellcheck shell=bash
source tools/dev/fmt.sh

# More changed files than this are left to `./dev test --full`: a file takes some ten seconds.
readonly clang_tidy_limit=40

# lint [all]: with `all`, clang-tidy reads every file and not only the changed ones.
dev_lint() {
  need build lint
  local failed=0
  check "tidy" python3 tools/tidy || failed=1
  check "tidy's own tests" python3 -B -m unittest -q tools/tidy_test.py || failed=1
  check "run_docs' own tests" python3 -B -m unittest -q tools/run_docs_test.py || failed=1
  check "results' own tests" python3 -B -m unittest -q tools/dev/results_test.py || failed=1
  check "clang-format" dev_fmt --check || failed=1
  check "shellcheck" lint_shell || failed=1
  lint_clang_tidy "${1:-}" || failed=1
  return "$failed"
}

lint_shell() { shellcheck --external-sources dev .ci/run tools/dev/*.sh; }

lint_clang_tidy() {
  local files
  mapfile -t files < <(if [[ $1 == all ]]; then all_units; else changed_units; fi)
  if [[ ${#files[@]} -eq 0 ]]; then
    say "clang-tidy: no source has changed"
    return
  fi
  if [[ $1 != all && ${#files[@]} -gt $clang_tidy_limit ]]; then
    record skipped "clang-tidy on changed files beyond the first $clang_tidy_limit" \
      "${#files[@]} changed; --full reads all"
    files=("${files[@]:0:clang_tidy_limit}")
  fi
  check "clang-tidy on ${#files[@]} files" run_clang_tidy "${files[@]}"
}

run_clang_tidy() {
  cmake --preset release >"$(log_of configure-release)" || return 1
  printf '%s\0' "$@" |
    xargs -0 -P "$(nproc)" -n 1 clang-tidy-19 -p build/release --quiet 2>"$(log_of clang-tidy)"
}

all_units() { repo_git ls-files '*.cc' ':!*_fuzz.cc'; }

# The .cc files that differ from origin/main (from the last commit's parent where that says
# nothing), and those whose header does. Fuzzers are left out: the release preset has none.
changed_units() {
  local base file
  base=$(repo_git merge-base HEAD origin/main 2>/dev/null || true)
  if [[ -z $base || $base == "$(repo_git rev-parse HEAD)" ]]; then
    base=$(repo_git rev-parse -q --verify HEAD~1 || repo_git hash-object -t tree /dev/null)
  fi
  {
    repo_git diff --name-only --diff-filter=d "$base" -- '*.cc' '*.h'
    repo_git ls-files --others --exclude-standard -- '*.cc' '*.h'
  } | sed 's/\.h$/.cc/' | sort -u | while read -r file; do
    [[ ! -f $file || $file == *_fuzz.cc ]] || printf '%s\n' "$file"
  done
}
