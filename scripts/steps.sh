# shellcheck shell=bash
# A set-up in named steps. Sourced by quickstart and scripts/test, with these variables set:
# root, the repository, and log, the file that takes what the steps print.
# shellcheck disable=SC2154

set -euo pipefail
# shellcheck source=scripts/packages.sh
. "$root/scripts/packages.sh"

mkdir -p "$(dirname "$log")"
: >"$log"
current=

# Find the line that tells why: the last that calls itself an error, other than pip's summary.
reason() {
  grep --extended-regexp --ignore-case '^ *(error|e|fatal|engine_api):' "$log" |
    grep --invert-match subprocess-exited-with-error | tail --lines=1 | sed 's:^ *::'
}

# On the way out, name the step that failed and where its output is.
report() {
  local status=$? why
  [[ $status == 0 || -z $current ]] && return
  why=$(reason) || true
  printf '%s: "%s" failed: %s\n%s: all that it printed is in %s\n' \
    "${0##*/}" "$current" "${why:-$(tail --lines=1 "$log")}" "${0##*/}" "$log" >&3
}
# A step that exits does so while its output goes to the log, so the terminal is kept at hand.
exec 3>&2
trap report EXIT

say() { printf '==> %s\n' "$*" >&2; }

# step NAME COMMAND...: say what is being done, and do it with its output in the log.
step() {
  current=$1
  say "$1"
  "${@:2}" >>"$log" 2>&1
  current=
}

have_python() { python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))'; }

# make_venv [PIP-ARGUMENT...]: install the project into .venv, unless that was done already.
make_venv() {
  local stamp wanted
  have_python || fail "Python 3.11 or later is needed, this is $(python3 --version)"
  wanted="$root $(sha256sum <"$root/pyproject.toml") $*"
  stamp=$root/.venv/.installed
  # More than is wanted is fine, too.
  [[ -f $stamp && $(<"$stamp") == "$wanted"* && -x $root/.venv/bin/ramalama ]] && return
  if [[ ! -x $root/.venv/bin/python ]]; then
    python3 -c 'import ensurepip' 2>/dev/null || apt_install python3-venv
    python3 -m venv "$root/.venv"
  fi
  [[ -x $root/.venv/bin/pip ]] || "$root/.venv/bin/python" -m ensurepip
  # Dependency groups, which only the tests need, are news to Debian 12's pip.
  (($# == 0)) || "$root/.venv/bin/python" -m pip install --quiet --upgrade 'pip>=25.1'
  "$root/.venv/bin/python" -m pip install --quiet --editable "$root" "$@"
  printf '%s' "$wanted" >"$stamp"
}
