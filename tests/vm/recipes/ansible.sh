# OUT: venv/: ansible-playbook, as whoever keeps a fleet has it on a machine of their own
. "$(dirname "$0")/lib.sh"; out=$1
# a venv names its own folder in its scripts, so it is made where it will stay
final=${out%.new}
/usr/bin/python3 -m venv "$out/venv"
"$out/venv/bin/pip" install -q ansible-core==2.19.14
sed -i "s|$out|$final|g" "$out"/venv/bin/* 2>/dev/null || true
