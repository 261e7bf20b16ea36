# Keeps small files in the user's home where the site's web server finds them: whoever
# knows its path may read one, none may list them. Runs as the user.
#
# Before it: set ACTION (home: print the home; write; discard), and for the last two FILE, in
# a directory of its own; for write TEXT.
umask 022
export LC_ALL=C
case $ACTION in
    home) echo "$HOME" ;;
    write)
        above=$(dirname "$(dirname "$FILE")")
        [ -d "$above" ] || mkdir -p -m 0711 "$above" || exit
        mkdir -p -m 0711 "$(dirname "$FILE")" && printf '%s' "$TEXT" > "$FILE"
        ;;
    discard) rm -f "$FILE" && { rmdir "$(dirname "$FILE")" 2> /dev/null || :; } ;;
esac
