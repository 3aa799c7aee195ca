image=${1:-}
[ -z "${2:-}" ] || suite=$2
if [ -z "$image" ] || [ -z "$suite" ]; then
  printf 'usage: sh %s IMAGE.tar SUITE|OTHER.tar\n' "$0" >&2
  exit 2
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
chmod 755 "$work"
