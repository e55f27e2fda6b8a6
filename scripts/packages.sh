# shellcheck shell=bash
# Install Debian packages, as root or through sudo. Sourced.

fail() {
  printf 'error: %s\n' "$*"
  exit 1
}

as_root() {
  if ((EUID == 0)); then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    fail "this needs root, and there is no sudo: $*"
  fi
}

installed() { [[ $(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null) == installed ]]; }

# Install the Debian packages that are missing.
apt_install() {
  local package missing=()
  command -v apt-get >/dev/null || fail "no apt-get here; install with your package manager: $*"
  for package in "$@"; do
    installed "$package" || missing+=("$package")
  done
  ((${#missing[@]})) || return 0
  as_root apt-get --option DPkg::Lock::Timeout=300 update
  as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get --option DPkg::Lock::Timeout=300 install --yes --no-install-recommends "${missing[@]}"
}
