# Whether the Windows profile is known, in which .wslconfig is. An image has none.
has_profile() {
  [ -z "$profile" ] || return 0
  if [ -n "$root" ]; then
    printf 'left out: .wslconfig is no part of the tree at %s\n' "$root" >&2
    return 1
  fi
  # By its full path: sudo takes Windows' part of PATH away.
  profile=$(as_user sh -c 'cd "$(wslpath -u "C:\\")" && wslpath -u "$(./Windows/System32/cmd.exe /c "echo %USERPROFILE%" | tr -d "\r")"' 2>/dev/null) || profile=
  [ -d "$profile" ] || die 'cannot tell which Windows profile holds .wslconfig' 'name it: KIND_WSL_WINDOWS_PROFILE=/mnt/c/Users/NAME'
}
