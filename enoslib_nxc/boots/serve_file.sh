# Serves one file over one connection on standard input and output: sh serve_file.sh FILE.
#
# QEMU starts it for each connection that a guest opens (guestfwd ... cmd:), so nothing
# listens anywhere, and only that guest can ask. Any request is answered with the file.
end=$(printf '\r')
while IFS= read -r line; do
    case $line in "" | "$end") break ;; esac
done
printf 'HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n'
printf 'Content-Length: %d\r\nConnection: close\r\n\r\n' "$(wc -c < "$1")"
cat "$1"
