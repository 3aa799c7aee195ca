#!/bin/sh
# Installs kind-wsl for the machine on which it runs: curl -fsSL ADDRESS/install.sh | sh
# A template: it was never run against a published release, because there is none yet.
#
# Nothing but one file is written: /usr/local/bin/kind-wsl, or what KIND_WSL_TO names. Nothing is set up.
set -eu

base=${KIND_WSL_FROM:?"set KIND_WSL_FROM to the address below which a release lies, such as https://example.org/kind-wsl/v0.1.0"}
to=${KIND_WSL_TO:-/usr/local/bin/kind-wsl}

fail() {
  echo "install.sh: $1" >&2
  exit 1
}

# Everything is in a function, so that a file that did not come whole does nothing.
main() {
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
  command -v sha256sum > /dev/null || fail "sha256sum is not here, and nothing is installed unchecked"
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  curl -fsSL --proto '=https' "$base/SHA256SUMS" -o "$work/sums" || fail "$base/SHA256SUMS can not be fetched"
  name=$(sed -n "s/^[0-9a-f]\{64\}  \(kind-wsl-[0-9.]*-linux-$arch\)$/\1/p" "$work/sums")
  [ -n "$name" ] || fail "this release has no program for $arch"
  curl -fsSL --proto '=https' "$base/$name" -o "$work/$name" || fail "$base/$name can not be fetched"
  (cd "$work" && grep "  $name\$" sums | sha256sum -c --quiet -) || fail "$name is not the file that SHA256SUMS names; nothing was installed"
  if [ -w "$(dirname "$to")" ]; then
    install -m 755 "$work/$name" "$to"
  else
    sudo install -m 755 "$work/$name" "$to"
  fi
  echo "$to is $("$to" --version). \`kind-wsl plan\` shows what it would do here, and changes nothing."
}

main
