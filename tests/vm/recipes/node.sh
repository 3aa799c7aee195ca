# OUT: store.tar: a rootless podman's storage that holds localhost/node:stand-in, to unpack in ~/.local/share/containers/storage
# (podman import inside an emulated machine takes a minute and more; here it takes seconds).
# The image is a stand-in for kindest/node: real systemd in a real root; where Kubernetes would be, stubs that answer kind's calls.
. "$(dirname "$0")/lib.sh"; out=$1
cat > customize <<'E'
set -eu; R=$1
mkdir -p "$R"/kind/manifests "$R/etc/kubernetes" "$R/usr/local/bin"
echo v1.32.0 > "$R/kind/version"
for m in cni storage; do echo "# stand-in $m" > "$R/kind/manifests/default-$m.yaml"; done
cat > "$R/usr/local/bin/stand-in" <<'S'
#!/bin/sh
# kubeadm, kubectl, crictl, ctr, containerd and kubelet at once: logs the call, answers what kind reads
name=${0##*/}; echo "$name $*" >> /kind/calls.log
case "$name $*" in
"kubeadm init"*) cat > /etc/kubernetes/admin.conf <<K
apiVersion: v1
kind: Config
clusters: [{name: kind, cluster: {server: "https://kind-control-plane:6443", certificate-authority-data: ""}}]
users: [{name: kubernetes-admin, user: {token: stand-in}}]
contexts: [{name: kubernetes-admin@kind, context: {cluster: kind, user: kubernetes-admin}}]
current-context: kubernetes-admin@kind
preferences: {}
K
;;
kubectl*"-f -"*) cat > /dev/null;;
kubectl*get*) echo Ready;;
esac
S
cat > "$R/usr/local/bin/entrypoint" <<'S'
#!/bin/sh
mount --make-rshared / 2>/dev/null
echo 'INFO: stand-in entrypoint' >&2
exec "$@"
S
chmod 755 "$R"/usr/local/bin/*
for s in kubeadm kubectl crictl ctr containerd kubelet; do ln -s stand-in "$R/usr/local/bin/$s"; done
ln -sf /lib/systemd/system/multi-user.target "$R/etc/systemd/system/default.target"
for u in systemd-udevd.service systemd-udev-trigger.service getty.target systemd-logind.service getty@tty1.service systemd-timesyncd.service; do
  ln -sf /dev/null "$R/etc/systemd/system/$u"
done
: > "$R/etc/machine-id"
# a small image is imported in less time: nothing here is needed to start systemd and sh
cd "$R"; rm -rf usr/share/{doc,man,locale,info,perl*,zoneinfo,bash-completion} usr/lib/x86_64-linux-gnu/{gconv,perl*} usr/lib/udev/hwdb* etc/udev/hwdb.bin usr/lib/apt \
  var/lib/{apt,dpkg} var/cache/apt usr/bin/{apt*,dpkg*,perl*} usr/lib/x86_64-linux-gnu/{libapt*,libstdc++*,libgnutls*}
E
mmdebstrap --variant=minbase --include=systemd-sysv,iproute2,iptables,procps,hostname,mount,kmod --skip=cleanup/apt \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' --customize-hook="bash $PWD/customize \"\$1\"" bookworm node.tar

mmdebstrap --variant=minbase --include=podman --skip=cleanup/apt bookworm tools
mkdir tools/store && mv node.tar tools/
cat > import <<'E'
set -eu
mount --bind tools tools
mount -t proc proc tools/proc
mount --rbind /dev tools/dev
chroot tools podman --root /store --runroot /run/store --storage-driver overlay --cgroup-manager cgroupfs --events-backend file \
  import --change 'ENTRYPOINT ["/usr/local/bin/entrypoint","/sbin/init"]' /node.tar localhost/node:stand-in
E
unshare --mount bash import
# root of the user's namespace is the user: every file is his, and no file needs a set-uid bit
find tools/store -type f -perm /6000 -exec chmod ug-s {} +
tar -C tools/store --owner=1000 --group=1000 --numeric-owner --exclude=.has-mount-program -cf "$out/store.tar" overlay overlay-images overlay-layers
