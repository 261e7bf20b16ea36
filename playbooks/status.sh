# Says what this machine is: KEY=VALUE lines, read by enoslib_nxc.status.
# The identity that it was booted with is on the kernel's command line (nxc.id=). A container
# has boot_id and command line of its host: there, its first process tells when it was started
# (proc(5), field 22 of stat) and, by its environment (NXC_ID=), as what.
boot_id=$(cat /proc/sys/kernel/random/boot_id)
words=$(cat /proc/cmdline)
if [ -n "$(cat /run/systemd/container 2>/dev/null)" ]; then
    set -- $(sed 's/.*) //' /proc/1/stat)
    boot_id=$boot_id+${20}
    words=$(tr '\0' '\n' < /proc/1/environ | sed -n 's/^NXC_ID=/nxc.id=/p')
fi
echo "boot_id=$boot_id"
echo "role=$(cat /etc/nxc/role 2>/dev/null)"
echo "host=$(cat /etc/nxc/hostname 2>/dev/null)"
echo "toplevel=$(readlink -f /run/current-system 2>/dev/null)"
for word in $words; do
    case $word in nxc.id=*) echo "digest=${word#nxc.id=}" ;; esac
done
echo "hosts=$(sha256sum < /etc/nxc/deployment-hosts 2>/dev/null | cut -d' ' -f1)"
for python in /run/current-system/sw/bin/python3 /usr/bin/python3 "$(command -v python3)"; do
    [ -x "$python" ] && echo "python=$python" && break
done
[ -e /run/enoslib-nxc/trusted ] && echo "trusted=$(cat /run/enoslib-nxc/trusted)"
exit 0
