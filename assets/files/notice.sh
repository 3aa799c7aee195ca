# Written by kind-wsl while setup is unfinished; removed when setup ends.
case $- in
*i*) printf 'kind-wsl: setup is not finished. Resume: kind-wsl setup   Details: kind-wsl status\n' ;;
esac
