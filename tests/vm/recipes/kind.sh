# OUT: kind-linux-amd64: the real kind 0.27 of Debian 13
. "$(dirname "$0")/lib.sh"; out=$1
suite_apt trixie get download kind
dpkg-deb -x kind_*.deb x
cp x/usr/bin/kind "$out/kind-linux-amd64"
