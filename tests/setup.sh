#!/usr/bin/env bash
# Installs what the tests look at the system with and run against, where it is missing: Debian packages, so it wants root
# (or sudo). Without either it says what is missing; the tests that need it then say so too.
set -euo pipefail

wanted=()
needs() { # command package
  command -v "$1" >/dev/null || wanted+=("$2")
}
needs ssh openssh-client
needs unshare util-linux
needs ps procps
needs strace strace
# Servers that the stores are tested against: PostgreSQL itself, and Azurite, which npm fetches.
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || needs initdb postgresql
needs npm npm

if [ ${#wanted[@]} = 0 ]; then
  exit 0
fi
become=()
if [ "$(id -u)" != 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "install these, as root: ${wanted[*]}" >&2
    exit 0
  fi
  become=(sudo)
fi
export DEBIAN_FRONTEND=noninteractive
"${become[@]}" apt-get update -q
"${become[@]}" apt-get install -q -y --no-install-recommends "${wanted[@]}"
