# Copies a file out of a home on NFS, whose server trusts no root, as the home's owner.
#
# Before it: set FILE, SOURCE, OWNER (login).
umask 077
if command -v runuser > /dev/null; then
    runuser -u "$OWNER" -- cat "$SOURCE" > "$FILE" < /dev/null
else
    su -s /bin/sh "$OWNER" -c "cat '$SOURCE'" > "$FILE" < /dev/null
fi
