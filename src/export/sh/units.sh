# unit NAME: a unit of the system's, started with the next boot.
unit() {
  if [ -n "$root" ]; then set -- "$1" --root="$root"; fi
  [ "$(systemctl ${2+"$2"} is-enabled "$1" 2>/dev/null)" != enabled ] || return 0
  doing "unit $1" || return 0
  systemctl ${2+"$2"} --quiet enable "$1" >&2
}
