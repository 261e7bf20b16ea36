# Says what this machine is: KEY=VALUE lines, read by enoslib_nxc.status.
# The identity that it was booted with is on the kernel's command line (nxc.id=). A container
# has boot_id and command line of its host: there, its first process tells when it was started
# (proc(5), field 22 of stat), in which name space, and, by its environment (NXC_ID=), as what.
# Few programs are started: a machine under emulation feels each of them.
line() {
    line=
    [ -r "$1" ] && IFS= read -r line < "$1"
    return 0
}
line /proc/sys/kernel/random/boot_id
boot_id=$line
line /proc/cmdline
words=$line
if [ -s /run/systemd/container ]; then
    set -- $(sed 's/.*) //' /proc/1/stat)
    boot_id=$boot_id+${20}+$(readlink /proc/1/ns/pid | tr -cd 0-9)
    words=$(tr '\0' '\n' < /proc/1/environ | sed -n 's/^NXC_ID=/nxc.id=/p')
fi
echo "boot_id=$boot_id"
line /etc/nxc/role
echo "role=$line"
line /etc/nxc/hostname
echo "host=$line"
echo "toplevel=$(readlink -f /run/current-system 2>/dev/null)"
for word in $words; do
    case $word in nxc.id=*) echo "digest=${word#nxc.id=}" ;; esac
done
set --
[ -r /etc/nxc/deployment-hosts ] && set -- $(sha256sum /etc/nxc/deployment-hosts)
echo "hosts=$1"
for python in /run/current-system/sw/bin/python3 /usr/bin/python3 ""; do
    [ -n "$python" ] || python=$(command -v python3)
    [ -x "$python" ] && echo "python=$python" && break
done
line /run/enoslib-nxc/trusted
[ -n "$line" ] && echo "trusted=$line"
exit 0
