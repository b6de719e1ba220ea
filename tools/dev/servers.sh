# shellcheck shell=bash
# Servers of objects that tests start (Azurite and moto) and that speed is measured against
# (versitygw), and clients that ask them, in build/servers, at versions named here.

readonly azurite_version=3.37.0
readonly moto_version=5.2.5
readonly versitygw_version=1.8.0
readonly awscli_version=1.46.3
readonly s3cmd_version=2.4.0
# These belong together: Spark, its committers for stores, and the Hadoop and SDK it was made with.
readonly spark_version=3.5.5
readonly spark_jars=(
  "org/apache/spark/spark-hadoop-cloud_2.12/3.5.5/spark-hadoop-cloud_2.12-3.5.5.jar
  7984bfbd83e8dff0d7ee0aed79e6cb916e651ba28b4ecce8a43b97cb669fbe28"
  "org/apache/hadoop/hadoop-aws/3.3.4/hadoop-aws-3.3.4.jar
  53f9ae03c681a30a50aa17524bd9790ab596b28481858e54efd989a826ed3a4a"
  "com/amazonaws/aws-java-sdk-bundle/1.12.262/aws-java-sdk-bundle-1.12.262.jar
  873fe7cf495126619997bec21c44de5d992544aea7e632fdc77adb1a0915bae5"
)
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

# spark_server: the same for what only the longest tier needs.
spark_server() {
  need servers-spark
  install_server "spark-$spark_version" install_spark
}

# s3_clients: the same.
s3_clients() {
  need servers-clients
  install_server "clients-$awscli_version-$s3cmd_version" install_clients
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

install_spark() {
  local folder=$servers_folder/spark jar path sum
  python3 -c 'import ensurepip, venv' 2>/dev/null || need servers-python
  rm -rf "$folder"
  mkdir -p "$folder/jars"
  python3 -m venv "$folder/venv" || return 1
  "$folder/venv/bin/pip" install "pyspark==$spark_version" || return 1
  for jar in "${spark_jars[@]}"; do
    read -r -d '' path sum <<<"$jar" || true
    curl -fsSL -o "$folder/jars/${path##*/}" "https://repo1.maven.org/maven2/$path" || return 1
    sha256sum --check --quiet <<<"$sum  $folder/jars/${path##*/}" || return 1
  done
}

install_clients() {
  python3 -c 'import ensurepip, venv' 2>/dev/null || need servers-python
  rm -rf "$servers_folder/clients"
  python3 -m venv "$servers_folder/clients"
  "$servers_folder/clients/bin/pip" install "awscli==$awscli_version" "s3cmd==$s3cmd_version"
}

install_versitygw() {
  GOBIN=$PWD/$servers_folder/versitygw \
    go install "github.com/versity/versitygw/cmd/versitygw@v$versitygw_version"
}
