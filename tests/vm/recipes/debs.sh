# OUT: the .debs of PACKAGES as this host's apt has them, for a guest of the same release: laid into its apt's cache, they need not be fetched again.
# ARGS: packages…
. "$(dirname "$0")/lib.sh"; out=$1; shift
apt-get -q -o APT::Sandbox::User=root download "$@"
mv ./*.deb "$out/"
