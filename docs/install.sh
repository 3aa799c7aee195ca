#!/bin/sh
# Installs kind-wsl for the machine on which it runs: curl --proto '=https' --tlsv1.2 -fsSL ADDRESS/install.sh | KIND_WSL_FROM=ADDRESS sh
# A template: no release is published yet. `tests/dist/run dist` runs it against a server with the layout of a release.
#
# It writes one file, /usr/local/bin/kind-wsl or $KIND_WSL_TO, and sets up nothing. The checksum is from the same server as
# the program: it detects a damaged file; TLS authenticates the server.
set -eu

fail() {
  echo "install.sh: $1" >&2
  exit 1
}

# Everything is in a function, so that an incomplete download of this script does nothing.
main() {
  [ -n "${KIND_WSL_FROM:-}" ] || fail "set KIND_WSL_FROM to the base URL of a release, such as https://example.org/kind-wsl/v0.1.0"
  base=${KIND_WSL_FROM%/}
  to=${KIND_WSL_TO:-/usr/local/bin/kind-wsl}
  dir=$(dirname "$to")
  case $base in
  https://*) ;;
  *) fail "KIND_WSL_FROM must be an https URL, found $base" ;;
  esac
  [ "$(uname -s)" = Linux ] || fail "unsupported system $(uname -s): run this inside the WSL distribution"
  case $(uname -m) in
  x86_64) arch=amd64 ;;
  aarch64) arch=arm64 ;;
  *) fail "unsupported architecture: $(uname -m)" ;;
  esac
  command -v curl > /dev/null || fail "curl is not installed: install curl and ca-certificates, then try again"
  command -v sha256sum > /dev/null || fail "sha256sum is not installed: install coreutils, then try again"
  [ ! -d "$to" ] || fail "KIND_WSL_TO must be the path of the program, but $to is a directory"
  [ -d "$dir" ] || fail "directory $dir does not exist: create it, or set KIND_WSL_TO to another path"
  as_root=
  if [ ! -w "$dir" ]; then
    command -v sudo > /dev/null || fail "cannot write to $dir and sudo is not installed: set KIND_WSL_TO to a path of yours, such as $HOME/.local/bin/kind-wsl"
    as_root=sudo
  fi

  work=$(mktemp -d)
  # In the same directory, so that the program is replaced atomically and a full disk keeps the old one.
  new=$dir/.kind-wsl.$$
  copied=
  trap 'rm -rf "$work"; [ -z "$copied" ] || $as_root rm -f "$new"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP

  fetch() {
    curl -fsSL --proto '=https' --tlsv1.2 --connect-timeout 30 --max-filesize 268435456 "$base/$1" -o "$work/$2" || fail "cannot download $base/$1"
  }
  fetch SHA256SUMS sums
  name=$(sed -n "s/^[0-9a-f]\{64\}  \(kind-wsl-[0-9.]*-linux-$arch\)$/\1/p" "$work/sums")
  [ -n "$name" ] || fail "this release has no program for $arch ($base/SHA256SUMS lists none)"
  fetch "$name" "$name"
  (cd "$work" && grep -F "  $name" sums | sha256sum -c --quiet - > /dev/null 2>&1) ||
    fail "checksum of $base/$name does not match SHA256SUMS; nothing was installed"

  copied=yes
  $as_root install -m 755 "$work/$name" "$new" || fail "cannot write to $dir; nothing was installed"
  # Check that it runs here before it replaces the old program.
  version=$("$new" --version) || fail "the program does not run here; it needs glibc 2.31 or later (Debian 11, Ubuntu 20.04; not Alpine); nothing was installed"
  $as_root mv -f "$new" "$to" || fail "cannot replace $to; the old program is unchanged"
  copied=
  echo "Installed $version as $to. Next: kind-wsl plan (changes nothing)"
  case :$PATH: in
  *":$dir:"*) ;;
  *) echo "$dir is not in your PATH. Add this line to ~/.profile: PATH=\"$dir:\$PATH\"" ;;
  esac
}

main
