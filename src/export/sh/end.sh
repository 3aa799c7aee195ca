
case $changes in
0) printf 'Nothing to do.\n' ;;
*) printf '%s changes.\n' "$changes" ;;
esac
