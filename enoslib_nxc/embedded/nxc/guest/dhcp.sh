#!/bin/busybox sh
# Called by udhcpc with what the server said. A default route of ip= ($static_route) is kept.
[ "$1" = bound ] || exit 0
ip address add "$ip/${mask:-24}" dev "$interface"
[ -n "$mtu" ] && ip link set mtu "$mtu" dev "$interface"
set -- $staticroutes
while [ $# -ge 2 ]; do
  ip route add "$1" via "$2" dev "$interface"
  shift 2
done
if [ -n "$router" ] && [ -z "$static_route" ]; then
  read -r metric < "/sys/class/net/$interface/ifindex" # of several, the first card's is used
  ip route add default via "${router%% *}" dev "$interface" metric "$metric"
fi
for server in $dns; do echo "nameserver $server" >> /etc/resolv.conf; done
exit 0
