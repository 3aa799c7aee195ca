# put FILE MODE TEXT: a whole file with exactly this text.
put() {
  file=$root$1
  [ ! -h "$file" ] || die "$1 is a symbolic link" 'take it away; this file would replace what it leads to'
  if [ -f "$file" ] && [ -O "$file" ] && [ "$(stat -c %a "$file")" = "$2" ] && printf '%s' "$3" | cmp -s - "$file"; then
    return 0
  fi
  doing "$1" || return 0
  mkdir -p "${file%/*}"
  rm -f "$file.kind-wsl~"
  printf '%s' "$3" >"$file.kind-wsl~"
  chmod "$2" "$file.kind-wsl~"
  mv -f "$file.kind-wsl~" "$file"
}

# link PATH TO: a symbolic link.
link() {
  file=$root$1
  if [ -h "$file" ]; then
    [ "$(readlink "$file")" != "$2" ] || return 0
  elif [ -e "$file" ]; then
    die "$1 is there and is no symbolic link" 'move it away, then run this again'
  fi
  doing "$1" || return 0
  mkdir -p "${file%/*}"
  ln -sfn "$2" "$file"
}

# aside PATH TO: renames a file that kind-wsl did not write, so that the next step can take its place.
aside() {
  { [ -e "$root$1" ] || [ -h "$root$1" ]; } || return 0
  if [ -e "$root$2" ] || [ -h "$root$2" ]; then return 0; fi
  if head -c 4096 "$root$1" 2>/dev/null | grep -q 'Written by kind-wsl'; then return 0; fi
  doing "$1" || return 0
  mv "$root$1" "$root$2"
}
