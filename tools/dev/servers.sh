# shellcheck shell=bash
# Servers of objects that tests start: Azurite and moto, in build/servers, at versions named here.

readonly azurite_version=3.37.0
readonly moto_version=5.2.5
readonly servers_folder=build/servers

# servers: installs what is missing, or of another version.
dev_servers() {
  [[ $# -eq 0 ]] || die "servers: takes no arguments"
  install_server "azurite-$azurite_version" install_azurite
  install_server "moto-$moto_version" install_moto
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
