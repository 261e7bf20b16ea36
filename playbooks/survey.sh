# Says what a machine is and has, before another system takes its place: KEY=VALUE lines,
# read by enoslib_nxc.survey. Sizes in KiB. Changes nothing.
# Few programs are started: a machine under emulation feels each of them.
line() {
    line=
    [ -r "$1" ] && IFS= read -r line < "$1"
    return 0
}
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/run/current-system/sw/bin
echo "uid=$(id -u)"
echo "machine=$(uname -m)"
line /proc/sys/kernel/random/boot_id
echo "boot_id=$line"
echo "kexec=$(command -v kexec)"
line /proc/sys/kernel/kexec_load_disabled
echo "kexec_disabled=$line"
line /sys/kernel/security/lockdown
echo "lockdown=$line"
while read -r key size _; do
    case $key in MemTotal: | MemAvailable:) echo "${key%:}=$size" ;; esac
    [ "$key" != MemAvailable: ] || break
done < /proc/meminfo
stat -f -c '%n %a %S %T' /var/tmp /tmp /dev/shm /run 2>/dev/null |
    while read -r directory free size kind; do
        echo "room=$directory $((free * size / 1024)) $kind"
    done
line /proc/cmdline
for word in $line; do
    case $word in console=* | net.ifnames=* | biosdevname=*) echo "word=$word" ;; esac
done
# the address that NXC's stage 1 will find, by the same question
set -- $(ip -4 route get 1.0.0.0 2>/dev/null)
while [ $# -ge 2 ]; do
    case $1 in
        via) echo "gateway=$2" ;;
        src) echo "address=$2" ;;
        dev)
            echo "device=$2"
            ip -o -4 address show dev "$2" | while IFS= read -r line; do echo "inet=$line"; done
            ;;
    esac
    shift
done
exit 0
