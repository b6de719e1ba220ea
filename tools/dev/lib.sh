# shellcheck shell=bash
# What the commands of ./dev share. Sourced with `set -euo pipefail`, in the root of the repository.

export DEBIAN_FRONTEND=noninteractive

say() { printf 'dev: %s\n' "$*" >&2; }

die() {
  say "$*"
  exit 1
}

# Git refuses a checkout that another user owns; here it is only read.
repo_git() { git -c safe.directory='*' "$@"; }

as_root() {
  if [[ $EUID -eq 0 ]]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo -n "$@"
  else
    die "needs root for: $*; run as root or install sudo"
  fi
}

# need GROUP...: installs the packages of these groups (packages.txt) that are missing.
need() {
  local group missing=()
  command -v dpkg-query >/dev/null ||
    die "this is not Debian; tools/dev/packages.txt says what to install"
  for group in "$@"; do
    mapfile -t -O "${#missing[@]}" missing < <(missing_packages "$group")
  done
  [[ ${#missing[@]} -gt 0 ]] || return 0
  say "installing ${missing[*]}"
  as_root apt-get -q -o DPkg::Lock::Timeout=600 update >&2 || die "apt-get update failed"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=600 \
    install --no-install-recommends "${missing[@]}" >&2 ||
    die "these packages could not be installed"
}

missing_packages() {
  local group package
  while read -r group package _; do
    [[ $group == "$1" ]] || continue
    [[ $(dpkg-query -Wf '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] ||
      printf '%s\n' "$package"
  done <tools/dev/packages.txt
}

# build_preset PRESET [TARGET...]: configures and builds into build/PRESET.
build_preset() {
  local preset=$1 targets=()
  shift
  [[ $# -eq 0 ]] || targets=(--target "$@")
  say "building $preset"
  cmake --preset "$preset" >"$(log_of "configure-$preset")" 2>&1 || {
    cat "$(log_of "configure-$preset")" >&2
    return 1
  }
  cmake --build "build/$preset" -j "$(nproc)" "${targets[@]}" >&2
}

log_of() {
  mkdir -p build/logs
  printf 'build/logs/%s.log' "$1"
}

# --- results: one line a check, "verdict<TAB>name<TAB>reason", told at the end of a test run ---

results_file=""

# record VERDICT NAME [REASON]: passed, failed or skipped. Outside a test run it is only said.
record() {
  [[ $1 == passed ]] || say "$1: $2${3:+: $3}"
  [[ -z $results_file ]] || printf '%s\t%s\t%s\n' "$1" "$2" "${3:-}" >>"$results_file"
}

# check NAME COMMAND...: runs it and records whether it passed. Never stops the script; the status
# of the command is that of `check`.
check() {
  local name=$1 start=$SECONDS
  shift
  say "== $name"
  if "$@"; then
    record passed "$name"
  else
    record failed "$name" "see above"
    return 1
  fi
  say "$name took $((SECONDS - start)) s"
}
