
# What both ways do in the tree that their only argument names.
cat >"$work/prepare.sh" <<'end-of-prepare'
set -eu
tree=$1
chroot "$tree" id -- "$KIND_WSL_USER" >/dev/null 2>&1 || chroot "$tree" useradd -m -s /bin/bash -- "$KIND_WSL_USER"
KIND_WSL_ROOT=$tree sh "${0%/*}/setup.sh"
# Whom WSL logs in (wsl.conf(5) of WSL's own documents: [user] default).
grep -qs '^\[user\]' "$tree/etc/wsl.conf" || printf '\n[user]\ndefault=%s\n' "$KIND_WSL_USER" >>"$tree/etc/wsl.conf"
end-of-prepare
export KIND_WSL_USER="$user"

if [ -f "$suite" ]; then
  # A tree without these lacks what the scripts of packages ask for; they are taken away before the tree goes.
  mkdir "$work/tree"
  tar -C "$work/tree" --numeric-owner -xpf "$suite"
  cp -L /etc/resolv.conf "$work/tree/etc/resolv.conf.kind-wsl"
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
printf '%s is made; in Windows: wsl.exe --import NAME C:\\WSL\\NAME %s --version 2\n' "$image" "$image"
