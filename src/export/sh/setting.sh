# setting WHAT WANT IS SET: what one command prints and another makes so. A tree that does not run has none.
setting() {
  [ -z "$root" ] || return 0
  now=$("$3" 2>/dev/null) || now=
  [ "$now" != "$2" ] || return 0
  doing "$1: ${now:-nothing}, now $2" || return 0
  "$4" >&2
  now=$("$3") || now=
  [ "$now" = "$2" ] || die "$1 is ${now:-nothing}, not $2, although it was set" 'kind-wsl doctor looks for the cause'
}
