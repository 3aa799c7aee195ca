skip=
while [ $# -gt 0 ]; do
  case $1 in
  --check) check=1 ;;
  --skip)
    skip=${2:-}
    [ $# -eq 1 ] || shift
    ;;
  --do) break ;;
  *) die "$1 is nothing that this script takes" 'it takes --check, and --skip with the names of steps, a comma between them' ;;
  esac
  shift
done

# What the line that began this said is one change, made by a shell of its own: its end is seen whatever happens in it.
if [ "${1:-}" = --do ]; then
  shift
  "$@" </dev/null
  exit 0
fi

[ -f "$0" ] || die 'this script is not in a file' 'save it first: it starts itself again for each change'
[ "$(id -u)" = 0 ] || [ -n "$root" ] || die 'this needs root' "sudo sh $0"
export KIND_WSL_USER="$user"
entry=$(awk -F: '$1 == ENVIRON["KIND_WSL_USER"]' "$root/etc/passwd")
[ -n "$entry" ] || [ -n "$root" ] || entry=$(getent passwd "$user" || :)
[ -n "$entry" ] || die "there is no user $user" 'name one: KIND_WSL_USER=NAME'
IFS=: read -r _ _ uid gid _ home _ <<END
$entry
END
[ "$uid" != 0 ] || die "$user is root, and rootless containers need an ordinary user" 'name one: KIND_WSL_USER=NAME'
export KIND_WSL_ROOT="$root" KIND_WSL_CHECK="$check" KIND_WSL_OFFLINE="$offline"
export KIND_WSL_UID="$uid" KIND_WSL_GID="$gid" KIND_WSL_HOME="$home" KIND_WSL_PROGRAM="$program"

changes=0
did=
marker=/run/kind-wsl.restart

# change WHO FUNCTION FILE...: one change as root or as the user; `did` says whether there was anything to do.
change() {
  who=$1
  shift
  did=
  status=0
  case $who in
  user) said=$(as_user /bin/sh -s -- --do "$@" <"$0") || status=$? ;;
  *) said=$(/bin/sh -s -- --do "$@" <"$0") || status=$? ;;
  esac
  case $status in
  0) ;;
  3) by_kind_wsl "$2" ;;
  *) exit 1 ;;
  esac
  [ -n "$said" ] || return 0
  did=1
  changes=$((changes + 1))
  printf '%s\n' "$said"
}

# What has to follow the last change, where it changed anything.
then_reload() { [ -z "$did" ] || reload=1; }
then_load_modules() { [ -z "$did" ] || load=1; }
then_restart() { [ -z "$did" ] || [ -n "$root$check" ] || : >"$marker"; }

# step NAME FUNCTION
step() {
  stage=$1
  case ",$skip," in
  *",$stage,"*) return 0 ;;
  esac
  reload=
  load=
  "$2"
  [ -z "$root$check" ] && [ -d /run/systemd/system ] || return 0
  [ -z "$reload" ] || systemctl daemon-reload
  # It fails as a whole where one module fails, after loading the others (systemd-modules-load.service(8)).
  [ -z "$load" ] || systemctl restart systemd-modules-load.service || printf 'not every module could be loaded\n' >&2
}

# The file is beyond this script: kind-wsl does the step, where it is there.
by_kind_wsl() {
  [ -x "$program" ] || die "step $stage can not edit $1, and $program is not here" "install kind-wsl, or edit $1 by hand; then run this again"
  said=
  before=$(cksum "$root$1")
  if [ -z "$check" ]; then
    status=0
    with_kind_wsl >/dev/null || status=$?
    # 3: a restart is needed, which is seen to below.
    case $status in
    0 | 3) ;;
    *) exit 1 ;;
    esac
    [ "$before" = "$(cksum "$root$1")" ] || said="changed: $1, by $program"
  else
    said="would change: $1, by $program"
  fi
}

# restart HOW UNMET: ends here where the machine has to be started again first.
restart() {
  [ -z "$root$check" ] || return 0
  [ -e "$marker" ] || [ -n "$2" ] || return 0
  [ -z "$2" ] || printf '%s\n' "$2"
  printf '%s changes. Restart needed: %s. Then run this again.\n' "$changes" "$1"
  exit 3
}
