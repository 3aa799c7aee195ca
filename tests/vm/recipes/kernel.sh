# OUT: vmlinuz, modules/ (what the guest sees as /lib/modules), modules.list (what stage 1 loads, in order)
. "$(dirname "$0")/lib.sh"; out=$1
package=$(apt-cache depends linux-image-amd64 | awk '/Depends: linux-image-/ { print $2; exit }')
apt-get -q download "$package"
dpkg-deb -x "$package"_*.deb x
release=${package#linux-image-}
depmod -b x "$release"
for module in virtio_pci virtio_blk virtio_net 9p 9pnet_virtio ext4 crc32c_generic crc32c-intel overlay fuse tun virtio-rng; do
  modprobe -d "$PWD/x" -S "$release" --show-depends "$module" 2>/dev/null | awk '/^insmod/ { print $2 }'
done | awk '!seen[$0]++' > list
mkdir -p "$out/initrd/lib"
while read -r file; do cp "$file" "$out/initrd/lib/"; echo "/lib/${file##*/}"; done < list > "$out/initrd/modules.list"
mv x/boot/vmlinuz-"$release" "$out/vmlinuz"
mv x/lib/modules "$out/modules"
