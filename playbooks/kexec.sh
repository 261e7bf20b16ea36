# Loads a kernel, its initrd and command line for kexec, and leaves for them once ssh has ended.
# The files are removed: the running kernel holds them from then on. A system on disk is shut
# down properly; one in memory has nothing to save. If it cannot be left, all is as before.
# ABRUPT leaves without a shutdown: the daemon of a Grid'5000 job would tell its server of it,
# and the job would end. Disks are then made read-only first.
#
# Before it: set DIRECTORY, KERNEL, INITRD, COMMAND_LINE, ABRUPT (yes, no).
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/run/current-system/sw/bin
load() { kexec "$@" -l "$KERNEL" --initrd="$INITRD" --command-line="$COMMAND_LINE"; }
# No digest of all that was loaded, which would be taken twice, before the jump and in it: the
# files were verified, and are left for at once. Only the older system call goes without one;
# a kernel that is locked down lacks it, a kexec of before 2015 the option for the newer.
load -c --no-checks 2> /dev/null || load -s 2> /dev/null || load || exit
rm -rf "$DIRECTORY"

set -- kexec -e
case "$ABRUPT $(stat -f -c %T /)" in
    yes* | *tmpfs | *ramfs | *overlayfs) ;;
    *) [ -d /run/systemd/system ] && set -- systemctl kexec ;;
esac
written=
[ "$ABRUPT" = no ] || written=$(awk '$1 ~ "^/dev/" && $4 ~ "^rw" { print $2 }' /proc/mounts)
leave='sleep 0.5 2>/dev/null || sleep 1; sync
written=$1; shift
[ -z "$written" ] || { echo u > /proc/sysrq-trigger; sleep 1; }
"$@" && exit
echo "$* failed with status $?"
kexec -u
for place in $written; do mount -o remount,rw "$place"; done'
setsid nohup sh -c "$leave" sh "$written" "$@" > /run/enoslib-nxc-leave.log 2>&1 < /dev/null &
