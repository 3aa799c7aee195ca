# For the recipes beside this file. Each is run as `bash RECIPE OUT ARGS…` in an empty scratch folder, and fills OUT.
set -euo pipefail
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# The Debian mirror that this host's own apt is set up with.
host_mirror() {
  apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' 'Identifier: Packages' |
    awk -F'|' '$1 == "Debian" && $2 == "Debian" { print $3; exit }'
}

# An apt for another Debian release, that leaves the host's own lists alone: suite_apt SUITE get|cache ARGS…
suite_apt() {
  local suite=$1 tool=$2 root=$PWD/apt-$1; shift 2
  local opts=(-q -o Dir::Etc::sourcelist="$root/sources.list" -o Dir::Etc::sourceparts=/dev/null -o Dir::State::lists="$root/lists"
    -o Dir::Cache="$root/cache" -o Dir::State::status=/dev/null -o APT::Sandbox::User=root)
  if [ ! -d "$root" ]; then
    mkdir -p "$root"/{lists,cache}/partial "$root/cache/archives/partial"
    local keys='[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]' uri; uri=$(host_mirror)
    printf '%s\n' "deb $keys $uri $suite main" "deb-src $keys $uri $suite main" > "$root/sources.list"
    apt-get "${opts[@]}" update
  fi
  "apt-$tool" "${opts[@]}" "$@"
}
