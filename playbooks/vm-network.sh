# Joins a host of virtual machines to the network of a deployment: a bridge in a network
# namespace of its own, where the host's rules for forwarding do not apply, with a VXLAN
# (RFC 7348) whose outer packets are the host's. What is for all goes to every other host.
# Machines on a network that has to be made anew are cut off, and ended.
#
# Before it: set ACTION (up; reach: say which of the other hosts cannot be heard; there: say
# "yes" if it is), NAMESPACE, TOKEN, ID (of the VXLAN), PORT (UDP), ADDRESS (the host's own),
# NUMBER (among the hosts), MTU (bytes), PEERS (addresses of the others) and NUMBERS (theirs).
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/run/current-system/sw/bin
is_there() {
    ip -n "$NAMESPACE" link show master br0 2> /dev/null | grep -q ' vx0[:@]' &&
        ip -n "$NAMESPACE" -d link show vx0 | grep -q "id $ID local $ADDRESS .*dstport $PORT "
}
case $ACTION in
    there) is_there && echo yes ;;
    up)
        if ! is_there; then
            pids=$(grep -lzs "^enoslib-nxc:$TOKEN:" /proc/[0-9]*/cmdline | cut -d/ -f3)
            [ -z "$pids" ] || kill $pids
            [ ! -e "/run/netns/$NAMESPACE" ] || ip netns delete "$NAMESPACE"
            outside=nxv$(printf %s "$TOKEN" | cut -c1-10)
            ip link delete "$outside" 2> /dev/null
            set -e
            ip netns add "$NAMESPACE"
            ip link add "$outside" type vxlan id "$ID" local "$ADDRESS" dstport "$PORT"
            ip link set "$outside" netns "$NAMESPACE" name vx0
            ip -n "$NAMESPACE" link add br0 type bridge
            ip -n "$NAMESPACE" link set vx0 master br0
        fi
        set -e
        ip -n "$NAMESPACE" link set vx0 mtu "$MTU" up
        ip -n "$NAMESPACE" link set br0 mtu "$MTU" up
        ip -n "$NAMESPACE" addr flush dev br0
        # link-local (RFC 3927): by it hosts try whether they hear each other
        ip -n "$NAMESPACE" addr add "169.254.254.$NUMBER/24" dev br0
        all=00:00:00:00:00:00
        known=$(bridge -n "$NAMESPACE" fdb show dev vx0 | sed -n "s/^$all dst \([0-9.]*\).*/\1/p")
        for peer in $known; do
            case " $PEERS " in
                *" $peer "*) ;;
                *) bridge -n "$NAMESPACE" fdb delete "$all" dev vx0 dst "$peer" ;;
            esac
        done
        for peer in $PEERS; do
            case " $(echo $known) " in
                *" $peer "*) ;;
                *) bridge -n "$NAMESPACE" fdb append "$all" dev vx0 dst "$peer" ;;
            esac
        done
        ;;
    reach)
        # by ARP: the kernel asks three times, a second apart
        ip -n "$NAMESPACE" neigh flush dev br0
        for number in $NUMBERS; do # "use" came with iproute2 5.15; before, nothing is tried
            ip -n "$NAMESPACE" neigh replace "169.254.254.$number" dev br0 use || exit 0
        done
        for number in $NUMBERS; do
            known="ip -n $NAMESPACE neigh show to 169.254.254.$number dev br0"
            for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
                case $($known) in *lladdr* | *FAILED*) break ;; esac
                sleep 0.2
            done
            $known | grep -q lladdr || echo "$number"
        done
        ;;
esac
