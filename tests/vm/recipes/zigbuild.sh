# OUT: venv/: zig and cargo-zigbuild, which link a program for an older glibc
. "$(dirname "$0")/lib.sh"; out=$1
# a venv names its own folder in its scripts, so it is made where it will stay
final=${out%.new}
/usr/bin/python3 -m venv "$out/venv"
"$out/venv/bin/pip" install -q ziglang==0.17.1 cargo-zigbuild==0.24.0
sed -i "s|$out|$final|g" "$out"/venv/bin/* 2>/dev/null || true
