# Says what a machine has of a file: "complete" or the bytes that it received so far.
# With `accept`, a partial file whose digest is right becomes the file itself.
# Nobody else writes to PART; what others left of theirs an hour ago goes.
# Few programs are started: a machine under emulation feels each of them.
#
# Before it: set ACTION (look, accept), DIRECTORY (ours alone), FILE (its digest is its
# name), PART (what arrives of it, on the same file system), SHA256, BLAKE2B, ELSEWHERE (a path
# where the same may lie already: a shared store) and PUBLIC (yes: all may read what is there,
# but not list it).
mode=0700 mask=077
[ "$PUBLIC" = no ] || mode=0711 mask=022
umask "$mask"
is() {
    [ -f "$1" ] || return
    # coreutils before 8.26, and others, lack the one that takes half the time
    if command -v b2sum > /dev/null; then
        set -- $(b2sum < "$1")
        [ "$1" = "$BLAKE2B" ]
    else
        set -- $(sha256sum < "$1")
        [ "$1" = "$SHA256" ]
    fi
}
[ -d "$DIRECTORY" ] || mkdir -p -m "$mode" "$DIRECTORY" || exit 1
# not a directory or link that someone else put there first
{ [ -O "$DIRECTORY" ] && [ ! -L "$DIRECTORY" ]; } || { echo "$DIRECTORY is not ours" >&2; exit 1; }
if [ -e "$FILE" ]; then
    [ ! -e "$PART" ] || rm -f "$PART"
    echo complete
elif is "$ELSEWHERE"; then
    ln -s "$ELSEWHERE" "$FILE" || [ -e "$FILE" ] || exit
    echo complete
elif [ "$ACTION" = accept ]; then
    is "$PART" || { rm -f "$PART"; echo "what arrived is not what was sent" >&2; exit 1; }
    [ "$PUBLIC" = no ] || chmod 0644 "$PART" || exit
    mv -f "$PART" "$FILE" && echo complete
else
    set -- "$DIRECTORY"/*.part-*
    [ ! -e "$1" ] || find "$DIRECTORY" -maxdepth 1 -name '*.part-*' -mmin +60 -exec rm -f {} + 2>/dev/null
    [ ! -e "$PART" ] || received=$(stat -c %s "$PART")
    echo "part=${received:-0}"
fi
