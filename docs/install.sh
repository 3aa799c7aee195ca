#!/bin/sh
# Installs kind-wsl for the machine on which it runs: curl --proto '=https' --tlsv1.2 -fsSL ADDRESS/install.sh | KIND_WSL_FROM=ADDRESS sh
# A template in so far as no release is published yet; `tests/dist/run dist` runs it against a server in a release's layout.
#
# One file is written: /usr/local/bin/kind-wsl, or what KIND_WSL_TO names. Nothing is set up. The checksum comes from the
# same place as the program: it tells a damaged file, and who may be believed there, TLS does.
set -eu

fail() {
  echo "install.sh: $1" >&2
  exit 1
}

# Everything is in a function, so that a file that did not come whole does nothing.
main() {
  [ -n "${KIND_WSL_FROM:-}" ] || fail "set KIND_WSL_FROM to the address below which a release lies, such as https://example.org/kind-wsl/v0.1.0"
  base=${KIND_WSL_FROM%/}
  to=${KIND_WSL_TO:-/usr/local/bin/kind-wsl}
  dir=$(dirname "$to")
  case $base in
  https://*) ;;
  *) fail "KIND_WSL_FROM must be an https address, and is $base" ;;
  esac
  [ "$(uname -s)" = Linux ] || fail "this is for the Linux distribution, not for $(uname -s): run it inside WSL"
  case $(uname -m) in
  x86_64) arch=amd64 ;;
  aarch64) arch=arm64 ;;
  *) fail "there is no kind-wsl for $(uname -m)" ;;
  esac
  command -v curl > /dev/null || fail "curl is not here: install it, with the package ca-certificates, and try again"
  command -v sha256sum > /dev/null || fail "sha256sum is not here, and nothing is installed unchecked: install coreutils"
  [ ! -d "$to" ] || fail "KIND_WSL_TO is to name the program's own path, and $to is a directory"
  [ -d "$dir" ] || fail "there is no directory $dir: make it, or let KIND_WSL_TO name another path"
  as_root=
  if [ ! -w "$dir" ]; then
    command -v sudo > /dev/null || fail "you may not write into $dir, and there is no sudo: let KIND_WSL_TO name a path that is yours, such as $HOME/.local/bin/kind-wsl"
    as_root=sudo
  fi

  work=$(mktemp -d)
  # Beside its place, so that the old program is there until the new one is, and a full disk leaves the old one alone.
  new=$dir/.kind-wsl.$$
  copied=
  trap 'rm -rf "$work"; [ -z "$copied" ] || $as_root rm -f "$new"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP

  fetch() {
    curl -fsSL --proto '=https' --tlsv1.2 --connect-timeout 30 --max-filesize 268435456 "$base/$1" -o "$work/$2" || fail "$base/$1 can not be fetched"
  }
  fetch SHA256SUMS sums
  name=$(sed -n "s/^[0-9a-f]\{64\}  \(kind-wsl-[0-9.]*-linux-$arch\)$/\1/p" "$work/sums")
  [ -n "$name" ] || fail "this release has no program for $arch ($base/SHA256SUMS names none)"
  fetch "$name" "$name"
  (cd "$work" && grep -F "  $name" sums | sha256sum -c --quiet - > /dev/null 2>&1) ||
    fail "$base/$name is not the file that SHA256SUMS names: it was damaged or changed on its way; nothing was installed"

  copied=yes
  $as_root install -m 755 "$work/$name" "$new" || fail "$dir can not be written to; nothing was installed"
  # Whether it starts here is known before it takes the old one's place.
  version=$("$new" --version) || fail "it does not start here; it needs glibc 2.31 or newer (Debian 11, Ubuntu 20.04 …), and Alpine has none; nothing was installed"
  $as_root mv -f "$new" "$to" || fail "$to can not be replaced; it is as it was"
  copied=
  echo "$to is $version. \`kind-wsl plan\` shows what it would do here, and changes nothing."
  case :$PATH: in
  *":$dir:"*) ;;
  *) echo "$dir is not in your PATH: type $to, or put PATH=\"$dir:\$PATH\" into your ~/.profile." ;;
  esac
}

main
