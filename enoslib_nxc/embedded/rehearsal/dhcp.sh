# DHCP and DNS for the network that carries the default route, and for others on the same card.
#
# Leases are those of the deployment JSON's parameters; without any, the MAC address
# 52:54:00:12:01:NN (hexadecimal) has the address .NN and the name node-NN (decimal).
set -eu
# once: it takes a second under emulation
jq -r '.parameters // {} | to_entries[] | .key as $key |
  (.value | arrays[], strings) | "\($key) \(.)"' /etc/nxc/deployment.json > /run/parameters
parameters() { sed -n "s/^$1 //p" /run/parameters; }
read -r here < /etc/nxc/ip_addr
device=$(ip -o -4 address show to "$here" | awk '{ print $2; exit }')
domain=$(parameters domain)
domain=${domain:-site.grid5000.fr}
network=${here%.*}

# a change of leases is written there, and told by SIGHUP
[ -e /run/leases ] || parameters leases > /run/leases
[ -s /run/leases ] || for n in $(seq 1 99); do
  printf '52:54:00:12:01:%02x,%s.%d,node-%d\n' "$n" "$network" "$n" "$n"
done > /run/leases
cut -d, -f1,2 /run/leases > /run/dhcp-hosts
{
  echo "$here frontend nfs public oar"
  awk -F, '{ print $2, $3 }' /run/leases
  parameters names
} > /run/names

set --
networks=$(parameters networks)
for one in $networks; do
  one=${one#*,}
  set -- "$@" "--dhcp-range=${one%,*},static,${one#*,},12h"
done
[ $# -gt 0 ] || set -- "--dhcp-range=$network.0,static,255.255.255.0,12h"
{
  for one in $networks; do echo "address add ${one%%,*} dev $device"; done
  parameters routes | sed "s/.*/route replace & dev $device/"
} > /run/addresses
ip -force -batch /run/addresses 2> /dev/null || : # that of ip= is there already
if [ -n "$networks" ]; then
  echo 1 > /proc/sys/net/ipv4/ip_forward
  # local kavlans have no way out of themselves
  ip rule add from 192.168.192.0/18 iif "$device" blackhole 2> /dev/null || :
  printf 'nameserver 127.0.0.1\nsearch %s\n' "$domain" > /etc/resolv.conf
fi

exec dnsmasq --keep-in-foreground --conf-file=/dev/null --user=root --log-facility=- \
  --pid-file= --interface="$device" --bind-interfaces --no-resolv --no-hosts \
  --dhcp-authoritative --dhcp-leasefile=/run/dnsmasq.leases --dhcp-hostsfile=/run/dhcp-hosts \
  "$@" --addn-hosts=/run/names --expand-hosts --domain="$domain" --local="/$domain/"
