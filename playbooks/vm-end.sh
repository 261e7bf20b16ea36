# Ends virtual machines on a host, TERM first, then KILL; says which are still there. With
# `clear`, everything of the deployment goes: its network and its files too.
#
# Before it: set ACTION (machines, clear), TOKEN, HOSTS (names of machines), SECONDS_LEFT,
# NAMESPACE and DIRECTORY.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/run/current-system/sw/bin
if [ "$ACTION" = clear ]; then
    pattern="enoslib-nxc[-:]$TOKEN" # not what is in grep's own command line
else
    pattern="^enoslib-nxc:$TOKEN:\($(echo $HOSTS | sed 's/ /\\|/g')\)\$"
fi
find_them() {
    grep -lzs "$pattern" /proc/[0-9]*/cmdline | cut -d/ -f3
}
left=$SECONDS_LEFT
for signal in TERM TERM KILL; do
    pids=$(find_them)
    [ -n "$pids" ] || break
    kill -s "$signal" $pids 2> /dev/null
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        [ -n "$(find_them)" ] || break 2
        sleep 0.2
    done
done
[ "$signal" != KILL ] || while [ "$left" -gt 0 ] && [ -n "$(find_them)" ]; do
    left=$((left - 1))
    sleep 1
done
find_them
[ "$ACTION" = clear ] || exit 0
if [ -e "/run/netns/$NAMESPACE" ]; then ip netns delete "$NAMESPACE" || exit; fi
# in case that it was killed before it went there
ip link delete "nxv$(printf %s "$TOKEN" | cut -c1-10)" 2> /dev/null
rm -rf "$DIRECTORY"
