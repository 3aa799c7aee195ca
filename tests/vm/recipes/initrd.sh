# OUT: initrd.img. ARGS: the kernel's folder, the guest program
. "$(dirname "$0")/lib.sh"; out=$1 kernel=$2 guest=$3
cp -r "$kernel/initrd" root
mkdir -p root/{bin,proc,sys,dev,newroot}
cp /bin/busybox root/bin/busybox
cp "$guest" root/init
(cd root && find . | cpio -o -H newc --quiet) | zstd -q -3 > "$out/initrd.img"
