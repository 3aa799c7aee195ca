# is SHA256 FILE: whether the file has this checksum.
is() {
  sum=$(sha256sum "$2")
  [ "${sum%% *}" = "$1" ]
}

# fetch URL SHA256 NAME TO: a file from elsewhere, checked before anybody else sees it.
fetch() {
  if [ -n "$offline" ]; then
    cp "$offline/$3" "$4" || die "$3 can not be taken from $offline" 'KIND_WSL_OFFLINE names a directory that holds it under this name'
  elif [ -z "$1" ]; then
    die "$3 is offered nowhere" 'put it into a directory and name that with KIND_WSL_OFFLINE'
  elif command -v curl >/dev/null; then
    curl -fsSL --proto '=https' --proto-redir '=https' --retry 3 -o "$4" "$1" || die "$3 can not be fetched from $1" 'look at the network and its proxy, or name a directory that holds it with KIND_WSL_OFFLINE'
  elif command -v wget >/dev/null; then
    wget -q --https-only -O "$4" "$1" || die "$3 can not be fetched from $1" 'look at the network and its proxy, or name a directory that holds it with KIND_WSL_OFFLINE'
  else
    die "$3 can not be fetched: neither curl nor wget is here" 'install curl and ca-certificates'
  fi
  if ! is "$2" "$4"; then
    rm -f "$4"
    die "$3 is not the file that was planned: its sha256 is ${sum%% *}, not $2" 'fetch it again, or from another network; it was not installed'
  fi
}

# download FILE MODE URL SHA256 NAME: a program from elsewhere.
download() {
  file=$root$1
  [ ! -h "$file" ] || die "$1 is a symbolic link" 'take it away; this file would replace what it leads to'
  if [ -f "$file" ] && [ -O "$file" ] && [ "$(stat -c %a "$file")" = "$2" ] && is "$4" "$file"; then return 0; fi
  doing "$1" || return 0
  mkdir -p "${file%/*}"
  rm -f "$file.kind-wsl~"
  fetch "$3" "$4" "$5" "$file.kind-wsl~"
  chmod "$2" "$file.kind-wsl~"
  mv -f "$file.kind-wsl~" "$file"
}
