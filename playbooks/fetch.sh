# Fetches a URL into a file with what the machine has for it.
#
# Before it: set URL, FILE, PATIENCE (seconds without any progress).
umask 077
[ -d "${FILE%/*}" ] || mkdir -p -m 0700 "${FILE%/*}" || exit
for program in curl wget python3; do
    command -v "$program" > /dev/null || continue
    case $program in
        curl) curl -sSf --connect-timeout 5 --speed-limit 1 --speed-time "$PATIENCE" -o "$FILE" "$URL" ;;
        wget) wget -q -T "$PATIENCE" -O "$FILE" "$URL" ;;
        python3) python3 -c 'import sys, shutil, urllib.request as u
with u.urlopen(sys.argv[1], timeout=float(sys.argv[3])) as s, open(sys.argv[2], "wb") as f:
    shutil.copyfileobj(s, f)' "$URL" "$FILE" "$PATIENCE" ;;
    esac
    exit
done
echo "neither curl, wget nor python3 is installed" >&2
exit 1
