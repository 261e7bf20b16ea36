#!/bin/busybox sh
# /init of the ramdisk: what NixOS's stage 1 does before and after NXC's commands, which the
# build puts in at the marker, verbatim. Variables and functions that they use are NixOS's:
# targetRoot, stage2Init, allowShell, fail.
export PATH=/bin:/sbin HOME=/root
targetRoot=/mnt-root
mkdir -p /proc /sys /dev /run /tmp /etc $targetRoot
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t tmpfs -o mode=0755 tmpfs /run
exec 0< /dev/console > /dev/console 2>&1

fail() {
  # pid 1 that ends is a kernel panic; with panic=N on the command line the machine restarts
  if [ -n "$panicOnFail" ]; then exit 1; fi
  echo
  echo "An error occurred in stage 1 of the boot process, which must mount the root"
  echo "filesystem on $targetRoot and then start stage 2. Press one of these keys:"
  [ -n "$allowShell" ] && echo "  i) an interactive shell" && echo "  f) a shell with pid 1"
  echo "  r) to reboot immediately"
  echo "  *) to ignore the error and continue"
  read -r reply
  case $reply in
    f) [ -n "$allowShell" ] && exec setsid sh -c "exec sh < /dev/$console > /dev/$console 2>&1" ;;
    i) [ -n "$allowShell" ] && setsid sh -c "exec sh < /dev/$console > /dev/$console 2>&1" ;;
    r) reboot -f ;;
  esac
  echo "Continuing..."
}
trap fail 0

echo
echo "<<< NXC stage 1 >>>"
console=console
stage2Init=/init
root= nfsStore=
for o in $(cat /proc/cmdline); do
  case $o in
    init=*) stage2Init=${o#init=} ;;
    root=*) root=${o#root=} ;;
    nfs_store=*) nfsStore=1 ;;
    console=*) console=${o#console=} console=${console%%,*} ;;
    boot.panic_on_fail | stage1panic=1) panicOnFail=1 ;;
    boot.shell_on_fail) allowShell=1 ;;
  esac
done
export stage2Init

load() { while read -r module; do insmod "/modules/$module"; done < "/modules/$1"; }
await() {
  n=0
  while [ ! -e "$1" ] && [ $n -lt 50 ]; do usleep 100000; n=$((n + 1)); done
}
load order
[ -z "$nfsStore" ] || load order.nfs
await /sys/class/net/eth0

if [ -e /nix-store.squashfs ]; then
  # A ramdisk: the store is the base layer under the composition's layer.
  mount -t tmpfs -o mode=0755 tmpfs $targetRoot
  store=$targetRoot/nix
  mkdir -p $store/store $store/.ro-base $store/.ro-store $store/.rw-store/store $store/.rw-store/work
  mount -t squashfs -o loop,ro /base.squashfs $store/.ro-base || fail
  mount -t squashfs -o loop,ro /nix-store.squashfs $store/.ro-store || fail
  mount -t overlay overlay $store/store -o \
"lowerdir=$store/.ro-store:$store/.ro-base,upperdir=$store/.rw-store/store,workdir=$store/.rw-store/work" || fail
elif [ -n "$nfsStore" ] || [ -z "$root" ]; then
  mount -t tmpfs -o mode=0755 tmpfs $targetRoot # NXC's commands mount the store
else
  # An installed image: a partition that holds the store and is kept from boot to boot.
  load order.disk
  case $root in
    /dev/*) await "$root" ;;
    *) await /dev/vda && root=$(findfs "$root") ;;
  esac
  mount -t ext4 "$root" $targetRoot || fail
  rm -rf $targetRoot/etc/nxc # NXC's commands add to what they find there
fi

# Addresses: those of ip= first, then DHCP on every other interface.
ip link set lo up
static=
for o in $(cat /proc/cmdline); do
  case $o in
    ip=*)
      device=$(echo "$o" | cut -d: -f6)
      ipconfig "$o" && static="$static ${device:-eth0}"
      ;;
  esac
done
static_route=$(ip route show default)
export static_route
for path in /sys/class/net/*; do
  interface=${path##*/}
  case " lo$static " in *" $interface "*) continue ;; esac
  ip link set "$interface" up
  udhcpc --quit --now --retries 10 --timeout 1 -O staticroutes --interface "$interface" --script /dhcp &
done
wait
[ -e /etc/resolv.conf ] && mkdir -p $targetRoot/etc && cp /etc/resolv.conf $targetRoot/etc/

### begin: nixos-compose, stage-1-cmds.nix
@commands@
### end: nixos-compose, stage-1-cmds.nix

if ! [ -e "$targetRoot/$stage2Init" ]; then
  echo "stage 2 init script ($targetRoot/$stage2Init) not found"
  fail
fi
# Addresses are kept, where NixOS flushes them: stage 2 needs no second DHCP.
mkdir -p $targetRoot/proc $targetRoot/sys $targetRoot/dev $targetRoot/run
for directory in proc sys dev run; do mount -o move /$directory $targetRoot/$directory; done
exec env -i /bin/switch_root $targetRoot "$stage2Init"
fail
