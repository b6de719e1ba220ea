# shellcheck shell=bash

dev_build() {
  need build
  build_preset release
  printf '%s\n' "$PWD/build/release/src/app/forebay"
}
