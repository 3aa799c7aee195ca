# OUT: cold.img, warm.img: a WSL distribution's disk (no kernel, nothing of the test but its CA).
# warm has apt's lists and the .debs of PACKAGES in apt's own cache, so that the guest's apt-get need not fetch them again.
# ARGS: suite, the CA's folder, packages…
. "$(dirname "$0")/lib.sh"; out=$1 suite=$2 ca=$3; shift 3
base=systemd-sysv,udev,dbus,libpam-systemd,iproute2,procps,kmod,ca-certificates,sudo,curl,login,passwd,less,iputils-ping,nano
export CA=$ca/ca.crt PACKAGES="$*"
cat > customize <<'E'
set -eu; R=$1
chroot "$R" useradd -m -s /bin/bash -G sudo,adm dev
echo 'dev ALL=(ALL) NOPASSWD: ALL' > "$R/etc/sudoers.d/dev"; chmod 440 "$R/etc/sudoers.d/dev"
install -m 644 "$CA" "$R/usr/local/share/ca-certificates/kind-wsl-test.crt"
chroot "$R" update-ca-certificates
echo Debian > "$R/etc/hostname"
chroot "$R" apt-get clean
for p in $PACKAGES; do chroot "$R" apt-cache show "$p" >/dev/null 2>&1 && have="${have:-} $p"; done
chroot "$R" apt-get -q -y install --download-only --no-install-recommends $have
E
chmod +x customize
mmdebstrap --variant=minbase --include=$base --skip=cleanup/apt --customize-hook="bash $PWD/customize \"\$1\"" "$suite" root
mkdir -p root/lib/modules
rm -f root/var/cache/apt/*.bin
image() {
  truncate -s 12G "$1"
  mke2fs -q -F -t ext4 -O ^has_journal -E lazy_itable_init=1,root_owner=0:0 -d root "$1"
}
image "$out/warm.img"
rm -rf root/var/lib/apt/lists/* root/var/cache/apt/archives/*.deb
image "$out/cold.img"
