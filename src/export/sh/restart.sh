# What can be seen of a start that took the changes up; each prints what is not so.
is_systemd() {
  read -r init </proc/1/comm
  [ "$init" = systemd ] || printf 'PID 1 is %s, not systemd\n' "$init"
}

is_cgroup_v2() {
  [ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ] || printf '/sys/fs/cgroup is not cgroup v2 alone\n'
}

# A user manager that does not run yet will have them when it starts.
has_controllers() {
  at=/sys/fs/cgroup$(systemctl show --value -p ControlGroup "user@$uid.service" 2>/dev/null || :)
  [ "$at" != /sys/fs/cgroup ] && [ -r "$at/cgroup.controllers" ] || return 0
  read -r given <"$at/cgroup.controllers" || :
  for name; do
    case " $given " in
    *" $name "*) ;;
    *) printf '%s lacks %s\n' "$at" "$name" ;;
    esac
  done
}

has_words() {
  read -r words </proc/cmdline
  for word; do
    case " $words " in
    *" $word "*) ;;
    *) printf 'the kernel was started without %s\n' "$word" ;;
    esac
  done
}
