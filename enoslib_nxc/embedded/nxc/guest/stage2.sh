#!@base@/usr/bin/busybox sh
# Stage 2 of one role: makes / from the base, the role's packages and its etc, does what
# NXC's boot commands do, and becomes systemd. busybox's own applets: nothing is forked that
# need not be.
export PATH=@base@/usr/bin HOME=/root
b=@base@/usr/bin/busybox
exec 0< /dev/console > /dev/console 2>&1
echo "<<< NXC stage 2 >>>"

# A root that is kept has been started before. Changes made to /usr and /etc are kept with it
# as long as the system is the same; the machine's ssh keys always.
kept= was=
[ -e /.over/system ] && kept=1 && read -r was < /.over/system
if [ -n "$kept" ] && [ "$was" != @out@ ]; then
  mkdir -p /etc/ssh
  mv /.over/etc/ssh/ssh_host_* /etc/ssh/
  rm -rf /.over
fi

mkdir -p /usr /tmp /root/.ssh /home /mnt /srv /opt /media /nix/var
mkdir -p /.over/usr /.over/usr-work /.over/etc-work
mkdir -p /var/lib /var/log /var/cache /var/tmp /var/spool/cron/crontabs
chmod 1777 /tmp /var/tmp
chmod 700 /root /root/.ssh
for merged in bin sbin lib lib64; do [ -L /$merged ] || ln -s usr/$merged /$merged; done
[ -L /var/run ] || ln -s /run /var/run
[ -L /var/lock ] || ln -s /run/lock /var/lock
$b mount -t overlay overlay /usr \
  -o lowerdir=@packages@/usr:@base@/usr,upperdir=/.over/usr,workdir=/.over/usr-work
# what stage 1 wrote to /etc stays on top
if [ -d /.over/etc ]; then
  rm -rf /.over/etc/nxc
  cp -a /etc/. /.over/etc/
  rm -rf /etc
else
  mv /etc /.over/etc
fi
mkdir /etc
echo @out@ > /.over/system
$b mount -t overlay overlay /etc \
  -o lowerdir=@out@/etc/:@packages@/etc:@base@/etc,upperdir=/.over/etc,workdir=/.over/etc-work
ln -sfn @out@/etc /etc/static
[ -d @packages@/var ] && cp -rLn @packages@/var/. /var/ # not over what is there
mkdir -p /dev/pts /dev/shm /run/sshd /run/lock
if [ -z "$container" ]; then
  $b mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
  $b mount -t tmpfs -o mode=1777 tmpfs /dev/shm
fi
ln -s @out@ /run/current-system
ln -s @out@ /run/booted-system
chown 0:0 /etc/shadow /etc/gshadow # a store on NFS may be another user's
chmod 640 /etc/shadow /etc/gshadow
[ -e /etc/nxc-modes ] && while read -r mode file; do chmod "$mode" "/etc/$file"; done < /etc/nxc-modes
: > /etc/NIXOS
[ -s /etc/machine-id ] || tr -d - < /proc/sys/kernel/random/uuid > /etc/machine-id

role= host=
[ -f /etc/nxc/role ] && read -r role < /etc/nxc/role
[ -f /etc/nxc/hostname ] && read -r host < /etc/nxc/hostname
[ -z "$host" ] && read -r host < /etc/hostname
[ -z "$host" ] && host=$role
[ -n "$host" ] && $b hostname "$host" && echo "$host" > /etc/hostname
if [ -f /etc/nxc/deployment-hosts ]; then
  cat /etc/static/hosts /etc/nxc/deployment-hosts > /run/hosts
  cat /run/hosts > /etc/hosts
fi
keys=/root/.ssh/authorized_keys
if [ -n "$kept" ]; then # NXC adds its key at each boot
  awk '!seen[$0]++' $keys > /run/keys && cat /run/keys > $keys
fi
[ -e $keys ] && chmod 600 $keys
[ -e /etc/ssh/ssh_host_ed25519_key ] ||
  ssh-keygen -q -t ed25519 -N '' -C "$host" -f /etc/ssh/ssh_host_ed25519_key
[ -n "$container" ] || for module in @modules@; do modprobe "$module"; done
[ -n "@sysctl@" ] && $b sysctl -q -p /etc/sysctl.d/60-nxc.conf
@postBoot@
# the kernel's log is the host's
exec /lib/systemd/systemd ${container:+--log-target=console}
