# OUT: crun-1.21-linux-amd64: real crun, static, with systemd support, from Debian's source packages
# (crun's of trixie; libsystemd.a, which no package has, from bookworm's systemd)
. "$(dirname "$0")/lib.sh"; out=$1
# only the upstream tarballs are needed; apt-get fails where the mirror lost a packaging tarball
suite_apt trixie get source --download-only crun || test -s crun_1.21.orig.tar.gz
suite_apt bookworm get source --download-only systemd || ls systemd_252.*.orig.tar.gz
mkdir systemd && tar xf systemd_252.*.orig.tar.gz -C systemd --strip-components=1
(cd systemd
 meson setup build --buildtype=release -Dmode=release -Dstatic-libsystemd=pic -Dauto_features=disabled -Dgcrypt=false -Dtests=false -Dman=false
 ninja -C build version.h && ninja -C build libsystemd.a)
mkdir crun && tar xf crun_1.21.orig.tar.gz -C crun --strip-components=1; cd crun
libs="-L$PWD/../systemd/build"
./configure --disable-dl --enable-shared=no --enable-static=yes --enable-embedded-yajl LDFLAGS="-static $libs" LIBS="-lseccomp -lcap -lsystemd -lcap -lpthread -lrt"
make -j"$(nproc)" LDFLAGS="-all-static $libs"
strip crun
./crun --version | grep SYSTEMD
cp crun "$out/crun-1.21-linux-amd64"
