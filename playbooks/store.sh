# Takes store paths into a directory that nodes mount as /nix/store. Runs as the user.
#
# Before it: set STORE (the directory), ACTION (missing: say which of NAMES, one a line, are
# not there; begin: make room for new ones in INCOMING; accept: they have all arrived; drop:
# they will not) and INCOMING (.incoming-..., a name in STORE that nobody else uses). What is
# under its own name is whole: it is moved there, on one file system.
umask 022
export LC_ALL=C
above=$(dirname "$STORE")
[ -d "$above" ] || mkdir -p -m 0711 "$above" || exit
mkdir -p "$STORE" && cd "$STORE" || exit
there() { [ -e "$1" ] || [ -L "$1" ]; } # links lead into the nodes' store
case $ACTION in
    missing)
        # of processes that were killed
        find . -maxdepth 1 -name '.incoming*' -mtime +0 -exec rm -rf {} + 2> /dev/null
        printf '%s\n' "$NAMES" | while read -r name; do there "$name" || echo "$name"; done
        ;;
    begin) rm -rf "$INCOMING" && mkdir "$INCOMING" ;;
    accept)
        for path in "$INCOMING"/*; do
            name=${path#"$INCOMING"/}
            # another process may move it there at the same time
            there "$name" || mv "$path" . || there "$name" || exit
        done
        rm -rf "$INCOMING"
        ;;
    drop) rm -rf "$INCOMING" ;;
esac
