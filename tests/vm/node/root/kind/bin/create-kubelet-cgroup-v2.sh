#!/bin/bash
# The cgroups that the kubelet asks for, with every controller that the node has. kind's logic (its file of the same name), in our words.
set -euo pipefail
root=/sys/fs/cgroup
[ -f $root/cgroup.controllers ] || { echo "ERROR: $root is not cgroup v2" >&2; exit 1; }
# A cgroup with processes cannot enable controllers for its children. (Its size is 0 whatever is in it, so it has to be read.)
if [ -n "$(cat $root/cgroup.procs)" ]; then
  echo "ERROR: this script needs $root/cgroup.procs to be empty (for writing the top-level cgroup.subtree_control)" >&2
  exit 1
fi
pass_all_on() {
  local all; all=$(cat "$1/cgroup.controllers")
  echo "+${all// / +}" > "$1/cgroup.subtree_control"
}
pass_all_on $root
for group in kubelet kubelet.slice; do
  mkdir -p $root/$group
  pass_all_on $root/$group
done
