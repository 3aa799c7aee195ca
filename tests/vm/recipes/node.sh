# OUT: store.tar: a rootless podman's storage that holds localhost/node:stand-in, to unpack in ~/.local/share/containers/storage
# (podman import inside an emulated machine takes a minute and more; here it takes seconds).
# The image is a stand-in for kindest/node: Debian 12's systemd, containerd and runc in a real root, with kind's units and checks (node/root);
# where Kubernetes would be, a kubelet that starts pods in containerd by itself, crictl, and a script that answers kind's calls (node/).
. "$(dirname "$0")/lib.sh"; out=$1; export NODE=$here/../node

# What imports it, made beside the rest.
mmdebstrap --variant=minbase --include=podman --skip=cleanup/apt bookworm tools & tools=$!

# The image of the pods: a pause, busybox, and Debian's nginx with the libraries that it names.
suite_apt bookworm get download nginx libc6 libcrypt1 libpcre2-8-0 libssl3 zlib1g busybox-static
mkdir x pod
for deb in *.deb; do dpkg-deb -x "$deb" x; done
mkdir -p pod/{etc/nginx,usr/sbin,lib64,lib/x86_64-linux-gnu,dev,proc,sys,tmp,run,var/log/nginx,var/lib/nginx}
cp x/usr/sbin/nginx pod/usr/sbin/
cp x/bin/busybox pod/busybox
find x/lib x/usr/lib -name '*.so.*' | while read -r lib; do
  case ${lib##*/} in ld-linux-x86-64.so.2|libc.so.6|libcrypt.so.1|libpcre2-8.so.0|libssl.so.3|libcrypto.so.3|libz.so.1) cp -L "$lib" pod/lib/x86_64-linux-gnu/;; esac
done
mv pod/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 pod/lib64/
printf 'root:x:0:0:root:/:/busybox\nnginx:x:101:101:nginx:/:/busybox\n' > pod/etc/passwd
printf 'root:x:0:\nnginx:x:101:\n' > pod/etc/group
printf 'user nginx;\nworker_processes 1;\npid /run/nginx.pid;\nerror_log stderr;\nevents {}\nhttp { access_log off; server { listen 80; location / { return 200 "ok\\n"; } } }\n' > pod/etc/nginx/nginx.conf
gcc -static -O2 -s -o pod/pause "$NODE/pause.c"
rustc --edition 2021 -O -C target-feature=+crt-static -C strip=symbols -C panic=abort -o kubelet "$NODE/main.rs"
export KUBELET=$PWD/kubelet
cp kubelet pod/kube-apiserver
python3 "$NODE/pod-image.py" pod pod.tar
export POD=$PWD/pod.tar

cat > customize <<'E'
set -eu; R=$1
mkdir -p "$R"/kind/{manifests,images} "$R"/etc/kubernetes "$R"/var/lib/kubelet
echo v1.32.0 > "$R/kind/version"
for m in cni storage; do echo "# stand-in $m" > "$R/kind/manifests/default-$m.yaml"; done
cp -R "$NODE"/root/. "$R"
cp "$POD" "$R/kind/images/pod.tar"
install -m 755 "$KUBELET" "$R/usr/bin/kubelet"
for s in crictl api; do ln -s kubelet "$R/usr/bin/$s"; done
for s in kubeadm kubectl; do ln -s stand-in "$R/usr/local/bin/$s"; done
chroot "$R" systemctl enable -q containerd.service kubelet.service
ln -sf /lib/systemd/system/multi-user.target "$R/etc/systemd/system/default.target"
for u in systemd-udevd.service systemd-udev-trigger.service getty.target systemd-logind.service getty@tty1.service systemd-timesyncd.service \
  proc-sys-fs-binfmt_misc.automount sys-kernel-{config,debug,tracing}.mount e2scrub_{all.timer,reap.service} apt-daily{,-upgrade}.timer dpkg-db-backup.timer; do
  ln -sf /dev/null "$R/etc/systemd/system/$u"
done
: > "$R/etc/machine-id"
# a small image is imported in less time: nothing here is needed to start systemd, containerd and sh
cd "$R"; rm -rf usr/share/{doc,man,locale,info,perl*,zoneinfo,bash-completion,zsh} usr/lib/x86_64-linux-gnu/{gconv,perl*} usr/lib/udev/hwdb* etc/udev/hwdb.bin usr/lib/apt \
  var/lib/{apt,dpkg} var/cache/apt usr/bin/{apt*,dpkg*,perl*} usr/bin/containerd-shim usr/bin/containerd-shim-runc-v1 \
  usr/lib/x86_64-linux-gnu/{libapt*,libstdc++*,libgnutls*}
E
mmdebstrap --variant=minbase --include=systemd-sysv,iproute2,iptables,procps,hostname,mount,kmod,containerd,runc --skip=cleanup/apt \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' --customize-hook="bash $PWD/customize \"\$1\"" bookworm node.tar

wait $tools
mkdir tools/store && mv node.tar tools/
cat > import <<'E'
set -eu
mount --bind tools tools
mount -t proc proc tools/proc
mount --rbind /dev tools/dev
chroot tools podman --root /store --runroot /run/store --storage-driver overlay --cgroup-manager cgroupfs --events-backend file \
  import --change 'ENTRYPOINT ["/usr/local/bin/entrypoint","/sbin/init"]' --change 'STOPSIGNAL SIGRTMIN+3' /node.tar localhost/node:stand-in
E
unshare --mount bash import
# root of the user's namespace is the user: every file is his, and no file needs a set-uid bit
find tools/store -type f -perm /6000 -exec chmod ug-s {} +
tar -C tools/store --owner=1000 --group=1000 --numeric-owner --exclude=.has-mount-program -cf "$out/store.tar" overlay overlay-images overlay-layers
