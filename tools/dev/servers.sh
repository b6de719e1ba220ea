# shellcheck shell=bash
# Servers of objects that tests start (Azurite and moto) and that speed is measured against
# (versitygw), in build/servers, at versions named here.

readonly azurite_version=3.37.0
readonly moto_version=5.2.5
readonly versitygw_version=1.8.0
readonly servers_folder=build/servers

# servers: installs what is missing, or of another version.
dev_servers() {
  [[ $# -eq 0 ]] || die "servers: takes no arguments"
  install_server "azurite-$azurite_version" install_azurite
  install_server "moto-$moto_version" install_moto
}

# bench_servers: the same for what only figures need.
bench_servers() {
  # It is built from source, and Debian's compiler is too old for it.
  command -v go >/dev/null || {
    say "no versitygw without Go (https://go.dev/dl): rows against it will say so"
    return 0
  }
  install_server "versitygw-$versitygw_version" install_versitygw
}

# install_server NAME COMMAND: runs it unless it has succeeded before for this very NAME.
install_server() {
  local mark=$servers_folder/$1.installed
  [[ ! -e $mark ]] || return 0
  say "installing $1"
  mkdir -p "$servers_folder"
  "$2" >"$(log_of "install-$1")" 2>&1 || die "$1 could not be installed; see $(log_of "install-$1")"
  touch "$mark"
}

install_azurite() {
  command -v npm >/dev/null || need servers-node
  rm -rf "$servers_folder/azurite"
  npm install --no-audit --no-fund --prefix "$servers_folder/azurite" "azurite@$azurite_version"
}

install_moto() {
  python3 -c 'import ensurepip, venv' 2>/dev/null || need servers-python
  rm -rf "$servers_folder/moto"
  python3 -m venv "$servers_folder/moto"
  "$servers_folder/moto/bin/pip" install "moto[s3]==$moto_version" flask flask-cors
}

install_versitygw() {
  GOBIN=$PWD/$servers_folder/versitygw \
    go install "github.com/versity/versitygw/cmd/versitygw@v$versitygw_version"
}
