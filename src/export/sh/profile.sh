# Whether the Windows profile is known, in which .wslconfig is. An image has none.
has_profile() {
  [ -z "$profile" ] || return 0
  if [ -n "$root" ]; then
    printf 'left out: .wslconfig is no part of the tree at %s\n' "$root" >&2
    return 1
  fi
  # WSL's init has it in its environment (WSL src/linux/init/main.cpp:1575). Else Windows is asked: by the full path, as sudo takes Windows' part of PATH away.
  where=$(cat /proc/1/environ /proc/2/environ 2>/dev/null | tr '\0' '\n' | sed -n 's/^WSL2_USER_PROFILE=//p' | sed -n 1p)
  [ -n "$where" ] || where=$(as_user sh -c 'cd "$(wslpath -u "C:\\")" && ./Windows/System32/cmd.exe /c "echo %USERPROFILE%"' 2>/dev/null | tr -d '\r')
  [ -z "$where" ] || profile=$(wslpath -u "$where" 2>/dev/null) || profile=
  [ -d "$profile" ] || die 'cannot tell which Windows profile holds .wslconfig' 'name it: KIND_WSL_WINDOWS_PROFILE=/mnt/c/Users/NAME'
}
