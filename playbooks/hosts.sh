# Replaces the names of this deployment's machines on a running machine, without a boot.
# NXC's boot commands put /etc/nxc/deployment-hosts at the end of /etc/hosts; do the same.
#
# Before it: set HOSTS (lines "ADDRESS NAME") and DEPLOYMENT (the deployment JSON).
set -eu
old=/etc/nxc/deployment-hosts
new=/etc/nxc/deployment-hosts.new
printf '%s\n' "$HOSTS" > "$new"
touch "$old"
grep -vxF -f "$old" /etc/hosts > /etc/hosts.new || :
cat "$new" >> /etc/hosts.new
# on NixOS /etc/hosts may be a link into the read-only store
[ -L /etc/hosts ] && rm -f /etc/hosts
cat /etc/hosts.new > /etc/hosts
rm -f /etc/hosts.new
mv -f "$new" "$old"
printf '%s\n' "$DEPLOYMENT" > /etc/nxc/deployment.json.new
mv -f /etc/nxc/deployment.json.new /etc/nxc/deployment.json
