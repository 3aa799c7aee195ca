# Runs a program of the system, or of the tree that is prepared.
inside() {
  if [ -n "$root" ]; then chroot "$root" "$@"; else "$@"; fi
}

# version MANAGER NAME: the version that is installed; nothing where it is not.
version() {
  case $1 in
  apt) inside dpkg-query -W -f '${db:Status-Status} ${Version}' -- "$2" 2>/dev/null | sed -n 's/^installed //p' ;;
  dnf | zypper) inside rpm -q --qf '%{VERSION}' -- "$2" 2>/dev/null || : ;;
  pacman) inside pacman -Q -- "$2" 2>/dev/null | sed 's/^[^ ]* //' ;;
  esac
}

# What it prints is no report of a change; it asks nothing and keeps configuration files that were changed.
apt() {
  inside env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 \
    apt-get -y -q -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confold -o DPkg::Lock::Timeout=600 "$@" >&2
}

# packages MANAGER NAME...: packages of the distribution, without what they only recommend.
packages() {
  manager=$1
  shift
  missing=
  for name; do
    case $manager in
    dnf | zypper) inside rpm -q -- "$name" >/dev/null 2>&1 || missing="$missing $name" ;;
    *) [ -n "$(version "$manager" "$name")" ] || missing="$missing $name" ;;
    esac
  done
  [ -n "$missing" ] || return 0
  doing "packages:$missing" || return 0
  case $manager in
  apt)
    # One stale repository does not keep the packages of the others from being installed.
    apt update || printf 'warning: apt-get update failed\n' >&2
    apt install --no-remove --no-install-recommends "$@"
    ;;
  dnf) inside dnf install -y --setopt=install_weak_deps=False "$@" >&2 ;;
  zypper)
    # 100 to 103, 106 and 107 inform of something beside the installation (zypper(8), EXIT CODES).
    inside zypper --non-interactive install --no-recommends "$@" >&2 || case $? in
    10[012367]) ;;
    *) return 1 ;;
    esac
    ;;
  pacman) inside pacman -S --noconfirm --needed "$@" >&2 ;;
  esac
}
