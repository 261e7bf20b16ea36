# Spreads a file that is here to nodes, by TakTuk: in a tree of ssh connections, so that none
# carries more than two copies. Runs as the user, with an agent that lets root in on the nodes;
# their host keys are given, and go with the tree. Says "NODE: WHY" of what failed: not all,
# so each copy is to be looked at. TakTuk's own code travels too; nodes need Perl only.
#
# Before it: set ACTION (look: say "here" if there is a TakTuk; spread), and for the latter FILE,
# PART (path on the nodes, whose directory is ours), KEYS (for known_hosts), NODES (names, one a
# line), PORT and SECONDS (until all is ended).
command -v taktuk > /dev/null || exit 0
[ "$ACTION" = spread ] || { echo here; exit; }
umask 077
export LC_ALL=C
there=
own=$(mktemp -d) && directory=$(dirname "$PART") || exit
trap 'rm -rf "$own" "$there"; rmdir "$directory" 2> /dev/null' EXIT
trap 'exit 1' HUP INT TERM PIPE

# the keys have one path in the whole tree: nodes pass them on as they got them. Another tree
# may want the directory too, or remove it once it is done
for attempt in 1 2 3 4 5; do
    mkdir -m 0700 "$directory" 2> /dev/null
    { [ -O "$directory" ] && [ ! -L "$directory" ]; } || continue
    there=$(mktemp "$directory/hosts.part-XXXXXX" 2> /dev/null) && break
done
[ -n "$there" ] || { echo "there is no place for host keys: $directory"; exit 1; }
printf '%s\n' "$KEYS" > "$there" && printf '%s\n' "$NODES" > "$own/nodes" || exit

connector="ssh -A -T -F none -p $PORT -o BatchMode=yes -o LogLevel=ERROR -o ConnectTimeout=15"
connector="$connector -o ServerAliveInterval=10 -o ControlPath=none -o StrictHostKeyChecking=yes"
connector="$connector -o UserKnownHostsFile=$there -o GlobalKnownHostsFile=/dev/null"
# of the events in taktuk(1): connection failed, connection lost; file reception failed
events='$line == 3 || $line == 5 ? "$peer: ".event_msg($line)."\n" :'
events="state=$events"' $line == 14 ? "$host: ".event_msg($line)."\n" : undef'
{
    timeout -k 5 "$SECONDS" taktuk -s -d 2 -t 30 -l root -c "$connector" -S "$there:$there" \
        -o connector='"$peer: $line\n"' -o taktuk='"$host: $line\n"' \
        -o "$events" \
        -f "$own/nodes" broadcast put [ "$FILE" ] [ "$PART" ] < /dev/null ||
        echo "taktuk ended with status $?"
} 2>&1 | awk '!seen[$0]++ && ++said <= 1000'
