# shellcheck shell=bash

dev_fmt() {
  local mode=(-i)
  case "${1:-}" in
    "") ;;
    --check) mode=(--dry-run --Werror) ;;
    *) die "fmt: unknown argument '$1'" ;;
  esac
  need lint
  sources | xargs -0 -r -P "$(nproc)" -n 16 clang-format-19 "${mode[@]}"
}

# Every C and C++ file of the repository, those not yet added included.
sources() {
  repo_git ls-files -z --cached --others --exclude-standard -- '*.h' '*.cc' '*.c' |
    while IFS= read -r -d '' file; do [[ ! -f $file ]] || printf '%s\0' "$file"; done
}
