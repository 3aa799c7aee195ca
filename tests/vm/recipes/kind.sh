# OUT: kind-linux-amd64: the real kind 0.27 of Debian 13; lib/: Debian 13's C library, for systems whose own is too old
. "$(dirname "$0")/lib.sh"; out=$1
suite_apt trixie get download kind libc6
dpkg-deb -x kind_*.deb x
dpkg-deb -x libc6_*.deb c
cp x/usr/bin/kind "$out/kind-linux-amd64"
mkdir -p "$out/lib"
cp -L c/usr/lib/x86_64-linux-gnu/{ld-linux-x86-64.so.2,libc.so.6} "$out/lib/"
