# Says what a machine has of a file: "complete" or the bytes that it received so far.
# With `accept`, a partial file whose digest is right becomes the file itself.
# Nobody else writes to PART; what others left of theirs an hour ago goes.
#
# Before it: set ACTION (look, accept), DIRECTORY (ours alone), FILE (its digest is its
# name), PART (what arrives of it, on the same file system), SHA256, ELSEWHERE (a path where the same may lie already: a shared store) and
# PUBLIC (yes: all may read what is there, but not list it).
mode=0700
[ "$PUBLIC" = yes ] && mode=0711
umask "$([ "$PUBLIC" = yes ] && echo 022 || echo 077)"
is() { [ -f "$1" ] && [ "$(sha256sum < "$1" | cut -d' ' -f1)" = "$SHA256" ]; }
mkdir -p -m "$mode" "$DIRECTORY" || exit 1
# not a directory or link that someone else put there first
{ [ -O "$DIRECTORY" ] && [ ! -L "$DIRECTORY" ]; } || { echo "$DIRECTORY is not ours" >&2; exit 1; }
if [ -e "$FILE" ]; then
    rm -f "$PART"
    echo complete
elif is "$ELSEWHERE"; then
    ln -s "$ELSEWHERE" "$FILE" || [ -e "$FILE" ] || exit
    echo complete
elif [ "$ACTION" = accept ]; then
    is "$PART" || { rm -f "$PART"; echo "what arrived is not what was sent" >&2; exit 1; }
    [ "$PUBLIC" = no ] || chmod 0644 "$PART" || exit
    mv -f "$PART" "$FILE" && echo complete
else
    find "$DIRECTORY" -maxdepth 1 -name '*.part-*' -mmin +60 -exec rm -f {} + 2>/dev/null
    echo "part=$(stat -c %s "$PART" 2>/dev/null || echo 0)"
fi
