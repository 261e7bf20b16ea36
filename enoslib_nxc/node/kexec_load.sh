# Loads a kernel, its initrd and command line for kexec, and removes the files: the running
# kernel holds them from then on.
#
# Before it: set DIRECTORY, KERNEL, INITRD, COMMAND_LINE.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/run/current-system/sw/bin
# the older system call where the file-based one is absent
kexec -s -l "$KERNEL" --initrd="$INITRD" --command-line="$COMMAND_LINE" 2> /dev/null ||
    kexec -l "$KERNEL" --initrd="$INITRD" --command-line="$COMMAND_LINE" || exit
rm -rf "$DIRECTORY"
