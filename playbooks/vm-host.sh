# Says what a host of virtual machines has for them, after survey.sh: KEY=VALUE lines, read by
# enoslib_nxc.platforms.vm_host. Changes nothing.
#
# Before it: set TOKEN (the deployment's, or "none").
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/run/current-system/sw/bin
for program in qemu-system-x86_64 ip bridge; do
    echo "$program=$(command -v "$program")"
done
[ -c /dev/net/tun ] && echo tun=yes
[ -w /dev/kvm ] && [ -r /dev/kvm ] && echo kvm=yes
echo "cores=$(nproc)"
ip -o link show | sed -n 's/^[0-9]*: \([^:@]*\).* mtu \([0-9]*\).*/link=\1 \2/p'
# ports of TCP, in hexadecimal, that something listens on (state 0A; proc_net_tcp.txt of Linux)
cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |
    awk '$4 == "0A" { sub(/.*:/, "", $2); print "port=" $2 }' | sort -u
# what is looked for begins with no "^": grep's own command line is not found
grep -lzs "^enoslib-nxc:$TOKEN:" /proc/[0-9]*/cmdline | while IFS=/ read -r _ _ pid _; do
    host=$(tr '\0' '\n' < "/proc/$pid/cmdline" 2>/dev/null | sed -n "s/^enoslib-nxc:$TOKEN://p")
    kib=$(sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$pid/status" 2>/dev/null)
    [ -n "$host" ] && echo "guest=$host ${kib:-0}"
done
exit 0
