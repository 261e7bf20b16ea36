# Says what a machine has of a file: "complete" or the bytes that it received so far.
# With `accept`, a partial file whose digest is right becomes the file itself.
#
# Before it: set ACTION (look, accept), DIRECTORY (ours alone), FILE (its digest is its
# name), SHA256, ELSEWHERE (a path where the same may lie already: a shared store) and
# PUBLIC (yes: all may read what is there, but not list it).
mode=0700
[ "$PUBLIC" = yes ] && mode=0711
umask "$([ "$PUBLIC" = yes ] && echo 022 || echo 077)"
is() { [ -f "$1" ] && [ "$(sha256sum < "$1" | cut -d' ' -f1)" = "$SHA256" ]; }
mkdir -p -m "$mode" "$DIRECTORY" || exit 1
# not a directory or link that someone else put there first
{ [ -O "$DIRECTORY" ] && [ ! -L "$DIRECTORY" ]; } || { echo "$DIRECTORY is not ours" >&2; exit 1; }
if [ -e "$FILE" ]; then
    echo complete
elif is "$ELSEWHERE"; then
    ln -s "$ELSEWHERE" "$FILE" && echo complete
elif [ "$ACTION" = accept ]; then
    is "$FILE.part" || { rm -f "$FILE.part"; echo "what arrived is not what was sent" >&2; exit 1; }
    [ "$PUBLIC" = no ] || chmod 0644 "$FILE.part" || exit
    mv "$FILE.part" "$FILE" && echo complete
else
    echo "part=$(stat -c %s "$FILE.part" 2>/dev/null || echo 0)"
fi
