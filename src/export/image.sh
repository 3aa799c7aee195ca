#!/bin/sh
# Makes a WSL distribution that is set up for rootless kind, with kind-wsl __VERSION__ in it. Written by `kind-wsl export`.
#   sh FILE IMAGE.tar SUITE      a new one, by mmdebstrap (root, or a user with subordinate IDs); a suite of Debian or Ubuntu
#   sh FILE IMAGE.tar OTHER.tar  from the tar of another distribution (`wsl.exe --export`); root
# KIND_WSL_USER is the user that the image gets. Then, in Windows:
#   wsl.exe --import NAME C:\WSL\NAME IMAGE.tar --version 2
#   wsl.exe -d NAME kind-wsl setup    finishes what only a running WSL can do
set -eu
user=${KIND_WSL_USER:-}
[ -n "$user" ] || user=__USER__
image=${1:-}
suite=${2:-__SUITE__}
if [ -z "$image" ] || [ -z "$suite" ]; then
  printf 'usage: sh %s IMAGE.tar SUITE|OTHER.tar\n' "$0" >&2
  exit 2
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
chmod 755 "$work"
__COPY__
cat >"$work/setup.sh" <<'end-of-setup'
__SCRIPT__end-of-setup
cat >"$work/prepare.sh" <<'end-of-prepare'
set -eu
tree=$1
chroot "$tree" id -- "$KIND_WSL_USER" >/dev/null 2>&1 || chroot "$tree" useradd -m -s /bin/bash -- "$KIND_WSL_USER"
KIND_WSL_ROOT=$tree sh "${0%/*}/setup.sh" --assume wsl=__WSL__ || [ $? -eq 3 ]
# The user that WSL logs in (wsl.conf(5) of WSL's own documents: [user] default).
grep -qs '^\[user\]' "$tree/etc/wsl.conf" || printf '\n[user]\ndefault=%s\n' "$KIND_WSL_USER" >>"$tree/etc/wsl.conf"
end-of-prepare
export KIND_WSL_USER="$user"

if [ -f "$suite" ]; then
  # The scripts of packages need /proc and a name service; both are gone before the tree is packed.
  mkdir "$work/tree"
  tar -C "$work/tree" --numeric-owner -xpf "$suite"
  cp -L /etc/resolv.conf "$work/tree/etc/resolv.conf.kind-wsl"
  # shellcheck disable=SC2016
  unshare --mount --propagation private sh -c '
    set -eu
    mount -t proc proc "$1/tree/proc"
    touch "$1/tree/etc/resolv.conf"
    mount --bind "$1/tree/etc/resolv.conf.kind-wsl" "$1/tree/etc/resolv.conf"
    sh "$1/prepare.sh" "$1/tree"' sh "$work"
  rm "$work/tree/etc/resolv.conf.kind-wsl"
  tar -C "$work/tree" --numeric-owner -cpf "$image" .
else
  mmdebstrap --variant=apt --include=systemd-sysv,dbus,sudo,ca-certificates,iproute2 \
    --customize-hook="sh '$work/prepare.sh' \"\$1\"" "$suite" "$image"
fi
printf 'Created %s. In Windows: wsl.exe --import NAME C:\\WSL\\NAME %s --version 2\n' "$image" "$image"
