# Says what this machine is: KEY=VALUE lines, read by enoslib_nxc.status.
# The identity that it was booted with is on the kernel's command line (nxc.id=); that of a
# container, which has the kernel of its host, in the environment of its first process.
echo "boot_id=$(cat /proc/sys/kernel/random/boot_id)"
echo "role=$(cat /etc/nxc/role 2>/dev/null)"
echo "host=$(cat /etc/nxc/hostname 2>/dev/null)"
echo "toplevel=$(readlink -f /run/current-system 2>/dev/null)"
for word in $(cat /proc/cmdline); do
    case $word in nxc.id=*) echo "digest=${word#nxc.id=}" ;; esac
done
tr '\0' '\n' < /proc/1/environ | sed -n 's/^NXC_ID=/digest=/p'
echo "hosts=$(sha256sum < /etc/nxc/deployment-hosts 2>/dev/null | cut -d' ' -f1)"
for python in /run/current-system/sw/bin/python3 /usr/bin/python3 "$(command -v python3)"; do
    [ -x "$python" ] && echo "python=$python" && break
done
[ -e /run/enoslib-nxc/trusted ] && echo "trusted=$(cat /run/enoslib-nxc/trusted)"
exit 0
