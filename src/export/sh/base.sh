root=${KIND_WSL_ROOT:-}
check=${KIND_WSL_CHECK:-}
offline=${KIND_WSL_OFFLINE:-}
user=${KIND_WSL_USER:-}
uid=${KIND_WSL_UID:-}
gid=${KIND_WSL_GID:-}
home=${KIND_WSL_HOME:-}
profile=${KIND_WSL_WINDOWS_PROFILE:-}
program=${KIND_WSL_PROGRAM:-/usr/local/bin/kind-wsl}

# Ends with what is wrong and what to do.
die() {
  printf 'error: %s\nhint: %s\n' "$1" "$2" >&2
  exit 1
}

# Ends with 3: it is for kind-wsl, which knows the whole grammar of the file.
beyond() {
  printf '%s holds what is not edited without reading it as a whole (quotes, escapes, other alphabets)\n' "$1" >&2
  exit 3
}

# Says what is being changed; ends with 1 where it is only looked at.
doing() {
  if [ -n "$check" ]; then
    printf 'would change: %s\n' "$1"
    return 1
  fi
  printf 'changed: %s\n' "$1"
}

# Runs a command as the user, with what a login would put into its environment.
as_user() {
  if [ "$(id -u)" != 0 ]; then
    "$@"
    return
  fi
  groups=--init-groups
  # The users of another tree are not the users here.
  [ -z "$root" ] || groups=--clear-groups
  env HOME="$root$home" USER="$user" LOGNAME="$user" XDG_RUNTIME_DIR="/run/user/$uid" \
    DBUS_SESSION_BUS_ADDRESS="unix:path=/run/user/$uid/bus" \
    setsid --wait -- setpriv --reuid="$uid" --regid="$gid" "$groups" -- "$@"
}

# Puts $text into a file: beside it first, then in its place. A file that is there keeps its mode and owner.
write() {
  mkdir -p "${1%/*}"
  rm -f "$1.kind-wsl~"
  if [ -e "$1" ]; then
    cp -p "$1" "$1.kind-wsl~"
  else
    : >"$1.kind-wsl~"
    chmod 644 "$1.kind-wsl~"
  fi
  printf '%s' "$text" >"$1.kind-wsl~"
  mv -f "$1.kind-wsl~" "$1"
}

# edit FILE AWK NAME=VALUE...: has an awk program print the new text of a file. It ends with 3 where the file is beyond it.
edit() {
  shown=$1 file=$root$1 awk=$2
  shift 2
  if [ -h "$file" ]; then
    [ -z "$root" ] || die "$shown is a symbolic link in the tree at $root" 'edit what it leads to, or make it a file'
    file=$(readlink -f "$file")
  fi
  ends=1
  from=/dev/null
  if [ -e "$file" ]; then
    [ -f "$file" ] || die "$shown is no regular file" 'move it away, then run this again'
    from=$file
    [ "$(LC_ALL=C tr -d '\011\012\015\040-\176' <"$file" | wc -c)" -eq 0 ] || beyond "$shown"
    [ ! -s "$file" ] || [ "$(tail -c 1 "$file" | wc -l)" -eq 1 ] || ends=
  fi
  # The x keeps the line ends at the end of the text, which $(…) takes away.
  status=0
  text=$(env LC_ALL=C "ends=$ends" "$@" awk "$awk" "$from" && printf x) || status=$?
  case $status in
  0) ;;
  3) beyond "$shown" ;;
  *) die "awk ended with $status at $shown" 'install mawk or gawk' ;;
  esac
  text=${text%x}
  if [ -e "$file" ] && printf '%s' "$text" | cmp -s - "$file"; then return 0; fi
  if [ ! -e "$file" ] && [ -z "$text" ]; then return 0; fi
  doing "$shown" || return 0
  write "$file"
}

# What every such program begins with: the lines, each with its own line end.
lines='
  function beyond() { bad = 1; exit 3 }
  function trim(s) { gsub(/^[ \t]+|[ \t]+$/, "", s); return s }
  function all(  i) { for (i = 1; i <= n; i++) if (!gone[i]) printf "%s%s%s", line[i], eol[i], more[i]; printf "%s", tail }
  # Behind line i, or as the last line of a text that may lack its last line end.
  function add(i, s, e) { if (eol[i] == "") more[i] = e s; else more[i] = s e }
  { n++; eol[n] = sub(/\r$/, "") ? "\r\n" : "\n"; line[n] = $0; if (index($0, "\r")) beyond() }
  END { if (bad) exit 3; if (n && ENVIRON["ends"] == "") { if (eol[n] != "\n") exit 3; eol[n] = "" }
        first = n && eol[1] != "" ? eol[1] : "\n" }
'
