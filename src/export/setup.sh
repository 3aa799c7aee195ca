#!/bin/sh
# Installs kind-wsl __VERSION__ and sets this machine up for rootless kind. Written by `kind-wsl export`.
#   sudo KIND_WSL_USER=NAME sh FILE [FLAG of kind-wsl setup]...
# A second run changes nothing. Exit code 3 means that a restart is required: restart, then run it again.
# Variables: KIND_WSL_USER, the user to set up for; KIND_WSL_ROOT, the directory of another system to set up.
set -eu
umask 022
user=${KIND_WSL_USER:-}
[ -n "$user" ] || user=__USER__
root=$(cd "${KIND_WSL_ROOT:-/}" && pwd -P)
root=${root%/}
sha256=__SHA256__
program=$root/usr/local/bin/kind-wsl
answers=$root/etc/kind-wsl/answers.toml

fail() {
  printf 'error: %s\n' "$1" >&2
  exit 1
}
get() { __GET__; }
is_pinned() {
  sum=$(sha256sum <"$1")
  [ "${sum%% *}" = "$sha256" ]
}
[ "$(id -u)" -eq 0 ] || fail "this needs root: sudo sh $0"

for dir in "${program%/*}" "${answers%/*}"; do
  mkdir -p "$dir"
  case $(cd "$dir" && pwd -P)/ in "$root"/*) ;; *) fail "$dir leads out of $root" ;; esac
done
# Nothing can execute the binary before its checksum is right.
if [ -h "$program" ] || [ ! -x "$program" ] || ! is_pinned "$program"; then
  new=$(mktemp "$program.XXXXXX")
  trap 'rm -f "$new"' EXIT
  trap 'exit 130' INT TERM
  get || fail 'cannot get kind-wsl'
  is_pinned "$new" || fail "kind-wsl has sha256 ${sum%% *}, expected $sha256; it was not installed"
  chmod 755 "$new"
  mv -f "$new" "$program"
fi
rm -f "$answers"
cat >"$answers" <<'end-of-answers'
__ANSWERS__end-of-answers
exec "$program" --root "${root:-/}" --user "$user" setup --yes --no-restart --answers "$answers"__FLAGS__ "$@"
