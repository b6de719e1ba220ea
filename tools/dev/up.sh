# shellcheck shell=bash

dev_up() {
  die "up: there is no node to start yet; it arrives with the next step (docs/STATUS.md)"
}
