set -e
now=$(ip -4 route get 1.1.1.1 2>/dev/null | sed -n 's/.* src \([0-9.]*\).*/\1/p' | head -n 1)
[ -n "$now" ] || now=$(ip -4 -o addr show scope global | sed -n 's/.* inet \([0-9.]*\).*/\1/p' | head -n 1)
[ -n "$now" ] || exit 0
name=$(hostname)
has() { ip -4 -o addr show | grep -qF " inet $1/"; }
known=$(sed -n "s/^\([0-9.]*\)[[:space:]]\(.*[[:space:]]\)\{0,1\}$name\([[:space:]].*\)\{0,1\}$/\1/p" /etc/hosts | head -n 1)
if [ -n "$known" ] && ! has "$known"; then
  hosts=$(sed "s/^$known\([[:space:]]\)/$now\1/" /etc/hosts)
  printf '%s\n' "$hosts" > /etc/hosts
  echo "/etc/hosts: $known is now $now"
fi
flags=/var/lib/kubelet/kubeadm-flags.env
[ -f $flags ] || exit 0
old=$(sed -n 's/.*--node-ip=\([0-9.]*\).*/\1/p' $flags)
[ -n "$old" ] && ! has "$old" || exit 0
pattern=$(printf '%s' "$old" | sed 's/\./\\./g')
for file in /etc/kubernetes/manifests/*.yaml /etc/kubernetes/controller-manager.conf /etc/kubernetes/scheduler.conf /kind/kubeadm.conf $flags; do
  [ ! -f "$file" ] || sed -i "s#\b$pattern\b#$now#g" "$file"
done
printf '%s' "$now" > /kind/old-ipv4
if [ -f /etc/kubernetes/pki/apiserver.crt ]; then
  rm -f /etc/kubernetes/pki/apiserver.crt /etc/kubernetes/pki/apiserver.key
  kubeadm init phase certs apiserver --config /kind/kubeadm.conf >&2
fi
systemctl restart kubelet
echo "node address: $old is now $now"
