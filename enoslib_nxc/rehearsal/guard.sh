# Holds the switch of a rehearsal, and removes its files when it is ended: it gets SIGTERM
# when the process that rehearses ends, however that ends.
#   $1 directory of the rehearsal, $2 vde_switch, others: further files to remove
set -eu
directory=$1 program=$2
shift 2
switch=
over() {
  [ -z "$switch" ] || kill "$switch" 2> /dev/null || :
  rm -rf "$directory" "$@" || { sleep 1; rm -rf "$directory" "$@"; }
  exit 0
}
trap 'over "$@"' TERM INT
mkfifo "$directory/hold"
exec 3<> "$directory/hold" # the switch ends with its standard input
"$program" --sock "$directory/switch" --dirmode 0700 --mode 0600 --numports 256 <&3 > /dev/null 2>&1 &
switch=$!
wait "$switch"
