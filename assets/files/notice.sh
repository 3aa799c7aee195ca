# Written by kind-wsl while a set-up waits to go on; taken back when it ends.
case $- in
*i*) printf 'kind-wsl: a set-up waits to go on; `kind-wsl setup` goes on, `kind-wsl status` says where it stands\n' ;;
esac
