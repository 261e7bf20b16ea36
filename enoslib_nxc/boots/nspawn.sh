# Runs one machine until it is shut down: LOG SEED ROOT GROUPS COMMAND...
#
# LOG gets its console; SEED goes into ROOT at each boot, as stage 1 would write it; GROUPS are
# control groups to run in, absolute paths parted by blanks; COMMAND is systemd-nspawn.
log=$1 seed=$2 root=$3 groups=$4
shift 4
exec > "$log" 2>&1 < /dev/null
cd /
umask 022
for group in $groups; do
    echo $$ > "$group/cgroup.procs" || exit
done
while cp -a "$seed/." "$root"; do
    "$@"
    # with --keep-unit, this is how it says that the machine reboots (systemd-nspawn.c)
    [ $? -eq 133 ] || exit
done
