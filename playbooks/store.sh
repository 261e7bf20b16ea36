# Takes store paths into a directory that nodes mount as /nix/store. Runs as the user.
#
# Before it: set STORE (the directory), ACTION (missing: say which of NAMES, one a line, are
# not there; begin: make room for new ones in .incoming; accept: they have all arrived).
umask 022
export LC_ALL=C
above=$(dirname "$STORE")
[ -d "$above" ] || mkdir -p -m 0711 "$above" || exit
mkdir -p "$STORE" && cd "$STORE" || exit
there() { [ -e "$1" ] || [ -L "$1" ]; } # links lead into the nodes' store
case $ACTION in
    missing) printf '%s\n' "$NAMES" | while read -r name; do there "$name" || echo "$name"; done ;;
    begin) rm -rf .incoming && mkdir .incoming ;;
    accept)
        for path in .incoming/*; do
            there "${path#.incoming/}" || mv "$path" . || exit
        done
        rm -rf .incoming
        ;;
esac
