# Loads a kernel, its initrd and command line for kexec, and leaves for them once ssh has ended.
# The files are removed: the running kernel holds them from then on. A system on disk is shut
# down properly; one in memory has nothing to save. If it cannot be left, all is as before.
#
# Before it: set DIRECTORY, KERNEL, INITRD, COMMAND_LINE.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/run/current-system/sw/bin
# the older system call where the file-based one is absent
kexec -s -l "$KERNEL" --initrd="$INITRD" --command-line="$COMMAND_LINE" 2> /dev/null ||
    kexec -l "$KERNEL" --initrd="$INITRD" --command-line="$COMMAND_LINE" || exit
rm -rf "$DIRECTORY"

set -- kexec -e
case $(stat -f -c %T /) in
    tmpfs | ramfs | overlayfs) ;;
    *) [ -d /run/systemd/system ] && set -- systemctl kexec ;;
esac
leave='sleep 1; sync; "$@" || { echo "$* failed with status $?"; kexec -u; }'
setsid nohup sh -c "$leave" sh "$@" > /run/enoslib-nxc-leave.log 2>&1 < /dev/null &
