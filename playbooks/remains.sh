# Says whether the system that was to be left is still there, and why: read by boots/kexec.py.
echo "boot_id=$(cat /proc/sys/kernel/random/boot_id)"
cat /run/enoslib-nxc-leave.log 2> /dev/null
exit 0
