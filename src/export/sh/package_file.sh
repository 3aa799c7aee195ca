# package_file NAME VERSION URL SHA256 FILE: a package from elsewhere; dpkg sees it only when its checksum is right.
package_file() {
  [ "$(version apt "$1")" != "$2" ] || return 0
  doing "package $1 $2" || return 0
  place=$(mktemp -d "$root/var/tmp/kind-wsl.XXXXXX")
  fetch "$3" "$4" "$5" "$place/package.deb"
  inside dpkg -i "${place#"$root"}/package.deb" >&2
  rm -r "$place"
}
