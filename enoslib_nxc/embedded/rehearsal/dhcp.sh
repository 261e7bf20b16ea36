# DHCP and DNS for the network that carries the default route.
#
# Leases are those of the deployment JSON's parameters; without any, the MAC address
# 52:54:00:12:01:NN (hexadecimal) has the address .NN and the name node-NN (decimal).
set -eu
read -r here < /etc/nxc/ip_addr
device=$(ip -o -4 address show to "$here" | awk '{ print $2; exit }')
domain=$(jq -r '.parameters.domain // "site.grid5000.fr"' /etc/nxc/deployment.json)
network=${here%.*}

jq -r '.parameters.leases // [] | .[]' /etc/nxc/deployment.json > /run/leases
[ -s /run/leases ] || for n in $(seq 1 99); do
  printf '52:54:00:12:01:%02x,%s.%d,node-%d\n' "$n" "$network" "$n" "$n"
done > /run/leases
cut -d, -f1,2 /run/leases > /run/dhcp-hosts
{
  echo "$here frontend nfs public"
  awk -F, '{ print $2, $3 }' /run/leases
} > /run/names

exec dnsmasq --keep-in-foreground --conf-file=/dev/null --user=root --log-facility=- \
  --pid-file= --interface="$device" --bind-interfaces --no-resolv --no-hosts \
  --dhcp-authoritative --dhcp-leasefile=/run/dnsmasq.leases --dhcp-hostsfile=/run/dhcp-hosts \
  --dhcp-range="$network.0,static,255.255.255.0,12h" \
  --addn-hosts=/run/names --expand-hosts --domain="$domain" --local="/$domain/"
