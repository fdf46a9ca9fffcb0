# shellcheck shell=bash
# What Debian 12 packages it takes to build pgcurfew, to run a server for it, and to test it; and how to install
# what of them is missing. Sourced by packaging/demo and tests/run:
#
#   . packaging/packages.sh
#   install_packages $(build_packages) $(server_packages)

build_packages() {
  echo g++ cmake ninja-build pkg-config libpq-dev libyaml-cpp-dev libspdlog-dev libfmt-dev libsystemd-dev \
    libre2-dev libcctz-dev libexpected-dev libcli11-dev nlohmann-json3-dev zlib1g-dev libcurl4-openssl-dev libmicrohttpd-dev \
    prometheus-cpp-dev scdoc
}

# The server for demo and tests, and the Python with which they speak to it.
server_packages() {
  echo postgresql-15 python3 python3-psycopg
}

test_packages() {
  echo libgtest-dev libgmock-dev librapidcheck-dev libbenchmark-dev clang-14 libclang-rt-14-dev llvm-14 \
    clang-format-14 clang-tidy-14 shellcheck e2fsprogs python3-pytest python3-pytest-xdist python3-jsonschema \
    python3-yaml man-db systemd pgbouncer git prometheus openssl chromium chromium-driver python3-selenium
}

# Prints those of the given packages that are not installed.
missing_packages() {
  local package
  for package in "$@"; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
  done
}

# Runs a command as root: directly, or through sudo.
as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    echo "this needs root, and there is no sudo: $*" >&2
    return 1
  fi
}

# Installs those of the given packages that are missing; says nothing and asks no one if none is.
install_packages() {
  command -v dpkg-query >/dev/null || {
    echo "no dpkg here: install the equivalents of these Debian packages yourself: $*" >&2
    return 0
  }
  local missing=()
  mapfile -t missing < <(missing_packages "$@")
  [ ${#missing[@]} -gt 0 ] || return 0
  echo "installing: ${missing[*]}" >&2
  as_root apt-get update -qq || return
  ( # so that the files below go away on Ctrl-C too
    trap '_allow_main_cluster; _allow_starts; _leave_prometheus_off' EXIT
    _forbid_main_cluster
    _forbid_starts
    case " ${missing[*]} " in *" prometheus "*) _mask_prometheus ;; esac
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y -o Dpkg::Use-Pty=0 \
      --no-install-recommends "${missing[@]}"
  )
}

# Debian's server package makes a cluster 15/main on port 5432 when it is first installed and starts it at each
# boot. Whoever only wants to try or test pgcurfew did not ask for a server. postgresql-common reads this file
# only when a server package is configured; it goes away afterwards, so that a server installed later by
# intention has its cluster as usual. Clusters that exist are not touched in either case.
_main_cluster_dropin=/etc/postgresql-common/createcluster.d/pgcurfew-no-main-cluster.conf

_forbid_main_cluster() {
  as_root mkdir -p "$(dirname "$_main_cluster_dropin")"
  echo "create_main_cluster = false" | as_root tee "$_main_cluster_dropin" >/dev/null
}

_allow_main_cluster() {
  as_root rm -f "$_main_cluster_dropin"
  as_root rmdir --ignore-fail-on-non-empty "$(dirname "$_main_cluster_dropin")" 2>/dev/null || true
}

# No package that is installed here starts its service now: trying and testing pgcurfew needs the programs alone. If the
# administrator has such a policy, that decides.
_starts_policy=/usr/sbin/policy-rc.d

_forbid_starts() {
  [ ! -e "$_starts_policy" ] || return 0
  printf '#!/bin/sh\nexit 101\n' | as_root tee "$_starts_policy" >/dev/null
  as_root chmod +x "$_starts_policy"
  _forbade_starts=1
}

_allow_starts() {
  [ -z "${_forbade_starts:-}" ] || as_root rm -f "$_starts_policy"
}

# Debian's prometheus is also started at each boot, unless its unit is masked while it is installed. A unit that the
# administrator has made is not masked.
_prometheus_unit=/etc/systemd/system/prometheus.service

_mask_prometheus() {
  [ ! -e "$_prometheus_unit" ] && [ ! -L "$_prometheus_unit" ] || return 0
  as_root mkdir -p "$(dirname "$_prometheus_unit")"
  as_root ln -s /dev/null "$_prometheus_unit"
  _masked_prometheus=1
}

_leave_prometheus_off() {
  [ -n "${_masked_prometheus:-}" ] || return 0
  as_root rm -f "$_prometheus_unit" /etc/systemd/system/multi-user.target.wants/prometheus.service
}
