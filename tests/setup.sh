#!/usr/bin/env bash
# Installs what the tests look at the system with and run against, where it is missing: Debian packages, so it wants root
# (or sudo). Without either it says what is missing; the tests that need it then say so too.
#
# `setup.sh moto` only installs moto, the emulator of AWS, into a cache below the system's temporary directory, and prints
# where it is; the tests do that by themselves. It wants Python with venv and no root. `setup.sh prometheus` does the same with
# Debian's packages of Prometheus and Alertmanager: they are unpacked and not installed, so that no service starts.
set -euo pipefail

moto_home() {
  local versions=(moto=5.2.5 botocore=1.44.8 boto3=1.44.8)
  local home="${TMPDIR:-/tmp}/provisioner-tests-moto-5.2.5-$(id -u)"
  if [ ! -e "$home/complete" ]; then
    if ! python3 -c 'import venv, ensurepip' 2>/dev/null; then
      echo "python3 with venv is missing: install python3-venv" >&2
      return 1
    fi
    # A virtual environment cannot be moved: whoever has the lock makes it, and marks it when it is whole.
    exec 9>"$home.lock"
    flock 9
    if [ ! -e "$home/complete" ]; then
      rm -rf "$home"
      python3 -m venv "$home" >&2
      "$home/bin/pip" install -q --disable-pip-version-check "moto[server,ec2,s3,sts]==${versions[0]#*=}" \
        "botocore==${versions[1]#*=}" "boto3==${versions[2]#*=}" >&2
      touch "$home/complete"
    fi
    exec 9>&-
  fi
  echo "$home"
}

prometheus_home() {
  if [ -x /usr/bin/prometheus ] && [ -x /usr/bin/promtool ] && [ -x /usr/bin/prometheus-alertmanager ]; then
    echo /usr/bin
    return
  fi
  local home="${TMPDIR:-/tmp}/provisioner-tests-prometheus-$(id -u)"
  if [ ! -e "$home/complete" ]; then
    if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
      echo "prometheus and prometheus-alertmanager are missing, and there is no apt to fetch them with" >&2
      return 1
    fi
    exec 9>"$home.lock"
    flock 9
    if [ ! -e "$home/complete" ]; then
      rm -rf "$home"
      mkdir "$home"
      (
        cd "$home"
        download() { apt-get -o APT::Sandbox::User=root download -qq prometheus prometheus-alertmanager >&2; }
        # The machine's lists of packages may be old or missing; root can mend that.
        download || { [ "$(id -u)" = 0 ] && apt-get update -q >&2 && download; }
        for package in *.deb; do dpkg-deb -x "$package" .; done
        rm -- *.deb
        touch complete
      )
    fi
    exec 9>&-
  fi
  echo "$home/usr/bin"
}

# Where it cannot be had it says why; the tests that need it then say so too.
prometheus_if_any() {
  "${BASH_SOURCE[0]}" prometheus >/dev/null || true
}

case "${1:-}" in
  moto)
    moto_home
    exit
    ;;
  prometheus)
    prometheus_home
    exit
    ;;
esac

wanted=()
needs() { # command package
  command -v "$1" >/dev/null || wanted+=("$2")
}
needs ssh openssh-client
needs unshare util-linux
needs ps procps
needs strace strace
# A test takes the network of a node down.
PATH="$PATH:/usr/sbin:/sbin" needs ip iproute2
# The HTML report of a rollout is looked at in a browser.
needs chromium chromium
# Servers that the stores are tested against: PostgreSQL itself, and Azurite, which npm fetches.
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || needs initdb postgresql
needs npm npm
# AWS is tested against moto, which pip fetches.
python3 -c 'import venv, ensurepip' 2>/dev/null || wanted+=(python3-venv)

if [ ${#wanted[@]} = 0 ]; then
  moto_home >/dev/null
  prometheus_if_any
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
moto_home >/dev/null
prometheus_if_any
